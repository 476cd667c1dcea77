"""A copy of an SVS or tiled TIFF that holds the pyramid and nothing else: no label, macro, thumbnail, names or dates.

Copies only data that a level's directory points to, each to its old place. Of a directory it copies only known tags of
numbers. The rest of the copy is zeros. Tiles lose their comments, colour profiles their texts. What is not known to be
harmless is therefore gone, wherever a scanner hid it. A kind of tile that is not understood is refused.
Sources: TIFF 6.0; BigTIFF's layout as libtiff documents it; the Aperio format as OpenSlide documents it.
"""

import os
import re
import secrets
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from app.errors import RequestInvalidError, SlideCorruptError, SlideError
from app.slides.formats.anonymise.profile_texts import without_texts
from app.slides.formats.anonymise.tile_comments import clean_jpeg, without_comments
from app.slides.formats.catalogue import STRIPPABLE_NAMES, format_of, listed
from app.slides.formats.tiff.tiff_directory import Directory, Entry, read_directories
from app.slides.formats.tiff.tiff_levels import WANTED, level_directories, size_of, tile_size
from app.slides.types import Level, SlideInfo

_BITS, _COMPRESSION, _DESCRIPTION, _SAMPLES, _PLANAR = 258, 259, 270, 277, 284
_TILE_OFFSETS, _TILE_BYTES, _JPEG_TABLES, _PROFILE = 324, 325, 347, 34675
_READ = WANTED | {_BITS, _SAMPLES, _PLANAR, _TILE_OFFSETS, _JPEG_TABLES, _PROFILE}
_NUMBER_TAGS = frozenset(
    {254, 256, 257, 258, 259, 262, 266, 274, 277, 282, 283, 284, 296, 317, 318, 319, 322, 323}
    | {338, 339, 529, 530, 531, 532, 32997}
)
"""Size, form and colour of the pixels."""
_NUMBER_KINDS = frozenset({3, 4, 5, 16})
_NUMBERS_MAX = 16
"""Most values in one of these tags; more would be room for text."""
_APERIO_HEAD = re.compile(r"Aperio Image Library v?[\d.]*(\s*[\r\n]+[\dx\[\](), >-]*)?")
_HARMLESS_PAIR = re.compile(r"(AppMag|MPP|OriginalAppMag|OriginalMPP|Left|Top) *= *-?[\d.]+", re.IGNORECASE)
_SEPARATE_PLANES = 2
_ASCII = 2


@dataclass(frozen=True)
class Stripped:
    """How many of the file's images are in the copy, and how many are not."""

    kept: int
    removed: int


def strip_slide(source: Path, target: Path, info: SlideInfo) -> Stripped:
    """Write the copy completely or not at all; it must not exist yet. ``info``: the record of the slide at ``source``.

    Images that are not levels of its pyramid are left out, however similar they look.
    SlideError for formats that keep labels elsewhere, SlideUnsupportedError for tiles that cannot be searched for
    comments, SlideCorruptError, RequestInvalidError, OSError.
    """
    known = format_of(info.vendor)
    if not known.can_be_stripped:
        raise SlideError(
            f"Only {listed(STRIPPABLE_NAMES, 'and')} can be stripped; this is {known.title}. Use its vendor's tool."
        )
    directories = list(read_directories(source, _READ, below=True))
    kept = _levels(directories, info)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with source.open("rb") as file, aside.open("xb") as out:
            out.truncate(os.fstat(file.fileno()).st_size)
            out.write(_read(file, 0, kept[0].layout.head_bytes))
            for directory, following in zip(kept, [*kept[1:], None], strict=True):
                _write(file, out, directory, 0 if following is None else following.offset)
            os.fsync(out.fileno())
        os.link(aside, target)
    except FileExistsError as error:
        raise RequestInvalidError("--out names a file that exists already. Choose another.") from error
    finally:
        aside.unlink(missing_ok=True)
    return Stripped(len(kept), len(directories) - len(kept))


def _levels(directories: Sequence[Directory], info: SlideInfo) -> list[Directory]:
    """Directories of the slide's levels, in the file's order."""
    counted = level_directories(list(directories), info.vendor)
    if any(level.number >= len(counted) or not _may_be(counted[level.number], level) for level in info.levels):
        raise SlideError(
            "The file cannot be stripped, because it is unclear which of its images are the slide's levels."
        )
    offsets = {counted[level.number].offset for level in info.levels}
    return [directory for directory in directories if directory.offset in offsets and not directory.is_below]


def _may_be(directory: Directory, level: Level) -> bool:
    width, height = size_of(directory)
    return width >= level.width and height >= level.height


def _write(file: BinaryIO, out: BinaryIO, directory: Directory, following: int) -> None:
    """The directory's known tags, their values and its tiles; ``following``: offset of the next kept one."""
    entries = []
    for entry in directory.entries:
        value = _value(file, directory, entry)
        if value is not None:
            entries.append(_put(out, directory, entry, value))
    layout = directory.layout
    packed = b"".join(struct.pack(layout.entry, one.tag, one.kind, one.count, one.inline) for one in entries)
    out.seek(directory.offset)
    out.write(struct.pack(layout.count, len(entries)) + packed + struct.pack(layout.link, following))
    _write_tiles(file, out, directory)


def _value(file: BinaryIO, directory: Directory, entry: Entry) -> bytes | None:
    """The entry's value in the copy, no longer than before; None to leave the entry out."""
    if entry.tag == _DESCRIPTION:
        return _description(directory.text(_DESCRIPTION))
    if entry.tag == _JPEG_TABLES:
        return clean_jpeg(_raw(file, directory, entry))
    if entry.tag == _PROFILE:
        return without_texts(_raw(file, directory, entry)) or None
    is_number = entry.kind in _NUMBER_KINDS
    if is_number and (entry.tag in {_TILE_OFFSETS, _TILE_BYTES} or _is_short_number(entry)):
        return _raw(file, directory, entry)
    return None


def _is_short_number(entry: Entry) -> bool:
    return entry.tag in _NUMBER_TAGS and entry.count <= _NUMBERS_MAX


def _raw(file: BinaryIO, directory: Directory, entry: Entry) -> bytes:
    place = entry.place(directory.layout)
    return entry.inline[: entry.length] if place is None else _read(file, *place)


def _put(out: BinaryIO, directory: Directory, entry: Entry, value: bytes) -> Entry:
    """The entry with its value; a value too long for the entry is written at the old value's place."""
    place = entry.place(directory.layout)
    kind = _ASCII if entry.tag == _DESCRIPTION else entry.kind
    count = len(value) if len(value) != entry.length else entry.count
    if len(value) <= len(entry.inline):
        return Entry(entry.tag, kind, count, value.ljust(len(entry.inline), b"\0"))
    if place is None or len(value) > entry.length:
        raise SlideCorruptError("A text in the slide's header is invalid: the file is damaged.")
    out.seek(place[0])
    out.write(value)
    return replace(entry, kind=kind, count=count)


def _description(text: str) -> bytes | None:
    """Aperio's own: the format's name, sizes and resolution stay. Any other description goes."""
    if not text.startswith("Aperio"):
        return None
    head, *pairs = text.split("|")
    named = _APERIO_HEAD.match(head)
    kept = [pair for pair in pairs if _HARMLESS_PAIR.fullmatch(pair.strip())]
    return "|".join(["Aperio" if named is None else named[0], *kept]).encode("latin-1") + b"\0"


def _write_tiles(file: BinaryIO, out: BinaryIO, directory: Directory) -> None:
    offsets, counts = directory.tags.get(_TILE_OFFSETS), directory.tags.get(_TILE_BYTES)
    if offsets is None or counts is None or len(offsets) != len(counts):
        raise SlideCorruptError("The slide's list of tiles is invalid: the file is damaged.")
    pixel_bytes, compression = _tile_bytes(directory), directory.number(_COMPRESSION)
    for offset, count in sorted(_pairs(offsets, counts)):
        tile = without_comments(_read(file, offset, count), compression, pixel_bytes)
        out.seek(offset)
        out.write(tile)


def _pairs(offsets: Iterable[np.uint64], counts: Iterable[np.uint64]) -> set[tuple[int, int]]:
    return {(int(offset), int(count)) for offset, count in zip(offsets, counts, strict=True) if count}


def _tile_bytes(directory: Directory) -> int:
    """Of one decoded tile."""
    width, height = tile_size(directory)
    bits = directory.tags.get(_BITS)
    samples = 1 if directory.number(_PLANAR) == _SEPARATE_PLANES else directory.number(_SAMPLES) or 1
    return width * height * samples * (8 if bits is None or not len(bits) else int(bits[0])) // 8


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    if offset + length > os.fstat(file.fileno()).st_size:  # asked first: Python takes the memory before it reads
        raise SlideCorruptError("The file ends before its image does: it was cut off. Export or copy it again.")
    file.seek(offset)
    return file.read(length)
