"""A copy of an SVS or tiled TIFF that holds the pyramid and nothing else: no label, macro, thumbnail, names or dates.

Only bytes that a kept directory points to are copied, each to where it stood, and of a directory only known tags; the
rest of the copy is zeros. What is not known to be harmless is therefore gone, wherever a scanner hid it.
Sources: TIFF 6.0; BigTIFF's layout as libtiff documents it; the Aperio format as OpenSlide documents it.
"""

import os
import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.errors import RequestInvalidError, SlideCorruptError, SlideError
from app.slides.tiff_directory import DIRECTORIES_MAX, TYPE_BYTES

COPY_BYTES = 1 << 22
LEVEL_RATIO_MAX = 0.1
"""Levels are rounded, labels and macros have another shape: how far a level's may differ from the slide's."""
_NUMBERS = {3: "H", 4: "I", 16: "Q"}
_SUBFILE, _WIDTH, _HEIGHT, _DESCRIPTION, _TILE_OFFSETS, _TILE_COUNTS = 254, 256, 257, 270, 324, 325
_SMALLER_COPY = 1
# Size, form and colour of the pixels (with JPEG tables and ICC profile); nothing that a person wrote.
_HARMLESS_TAGS = frozenset(
    {254, 256, 257, 258, 259, 262, 266, 274, 277, 282, 283, 284, 296, 317, 318, 319, 320, 322, 323, 324, 325}
    | {338, 339, 347, 529, 530, 531, 532, 32997, 34675}
)
_HARMLESS_WORDS = frozenset({"appmag", "mpp", "originalappmag", "originalmpp", "icc profile", "left", "top"})


@dataclass(frozen=True)
class Stripped:
    """How many of the file's images are in the copy, and how many are not."""

    kept: int
    removed: int


@dataclass(frozen=True)
class _Form:
    """Byte order, and the widths of classic TIFF or BigTIFF."""

    order: str
    big: bool

    @property
    def number(self) -> struct.Struct:
        """An offset."""
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def count(self) -> struct.Struct:
        """How many entries a directory has."""
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        """Tag, type, count, and the value or where it stands."""
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))


@dataclass(frozen=True)
class _Entry:
    """``inline``: the value, or its offset where it is longer than the field."""

    tag: int
    kind: int
    count: int
    inline: bytes

    @property
    def length(self) -> int:
        return TYPE_BYTES.get(self.kind, 1) * self.count

    def place(self, form: _Form) -> tuple[int, int] | None:
        """(offset, length) of a value that stands elsewhere."""
        return None if self.length <= len(self.inline) else (int(form.number.unpack(self.inline)[0]), self.length)


@dataclass(frozen=True)
class _Directory:
    offset: int
    entries: tuple[_Entry, ...]


def strip_slide(source: Path, target: Path, *, vendor: str, level_sizes: Sequence[tuple[int, int]]) -> Stripped:
    """Write the copy, which must not exist yet, whole or not at all.

    ``vendor`` and ``level_sizes`` (width, height): as OpenSlide tells them. An image that is no level of its pyramid is
    left out, however much it looks like one.

    SlideError for formats that keep labels elsewhere, SlideCorruptError, RequestInvalidError, OSError.
    """
    if vendor not in {"aperio", "generic-tiff"}:
        raise SlideError(f"Only SVS and plain tiled TIFF can be stripped; this is {vendor}. Use its vendor's tool.")
    aside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with source.open("rb") as file, aside.open("xb") as out:
            form, first = _form(file)
            directories = list(_directories(file, form, first))
            kept = _levels(file, form, directories, level_sizes)
            if not kept or kept[0] is not directories[0]:
                raise SlideError("The file's first image is not a tiled one, as an SVS's or tiled TIFF's is.")
            out.truncate(os.fstat(file.fileno()).st_size)
            _copy(file, out, [(0, 16 if form.big else 8)])
            for directory, following in zip(kept, [*kept[1:], None], strict=True):
                _write(file, out, form, directory, 0 if following is None else following.offset)
            os.fsync(out.fileno())
        os.link(aside, target)
    except FileExistsError as error:
        raise RequestInvalidError("--out names a file that exists already. Choose another.") from error
    finally:
        aside.unlink(missing_ok=True)
    return Stripped(len(kept), len(directories) - len(kept))


def _form(file: BinaryIO) -> tuple[_Form, int]:
    head = _read(file, 0, 16)
    for mark, order in ((b"II", "<"), (b"MM", ">")):
        if head.startswith(mark + struct.pack(order + "H", 42)):
            return _Form(order, big=False), struct.unpack_from(order + "I", head, 4)[0]
        if head.startswith(mark + struct.pack(order + "HHH", 43, 8, 0)):
            return _Form(order, big=True), struct.unpack_from(order + "Q", head, 8)[0]
    raise SlideError("The file is no TIFF, and only SVS and tiled TIFF can be stripped.")


def _directories(file: BinaryIO, form: _Form, offset: int) -> Iterator[_Directory]:
    seen: set[int] = set()
    while offset:
        if offset in seen or len(seen) >= DIRECTORIES_MAX:
            raise SlideCorruptError("The TIFF's directories run in a circle: the file is damaged.")
        seen.add(offset)
        (count,) = form.count.unpack(_read(file, offset, form.count.size))
        at = offset + form.count.size
        packed = _read(file, at, count * form.entry.size)
        yield _Directory(offset, tuple(_Entry(*fields) for fields in form.entry.iter_unpack(packed)))
        (offset,) = form.number.unpack(_read(file, at + len(packed), form.number.size))


def _levels(
    file: BinaryIO, form: _Form, directories: Sequence[_Directory], sizes: Sequence[tuple[int, int]]
) -> list[_Directory]:
    """Of each size the first that is tiled and shaped as the slide is: labels, macros and thumbnails are neither."""
    wanted, levels, whole = list(sizes), [], _size(file, form, directories[0])
    for directory in directories:
        size = _size(file, form, directory)
        if size not in wanted or not _is_pyramids(file, form, directory):
            continue
        if whole is not None and size is not None and _differs(size, whole) <= LEVEL_RATIO_MAX:
            wanted.remove(size)
            levels.append(directory)
    return levels


def _is_pyramids(file: BinaryIO, form: _Form, directory: _Directory) -> bool:
    is_tiled = {_TILE_OFFSETS, _TILE_COUNTS} <= {entry.tag for entry in directory.entries}
    return is_tiled and all(number in {0, _SMALLER_COPY} for number in _numbers(file, form, directory, _SUBFILE))


def _size(file: BinaryIO, form: _Form, directory: _Directory) -> tuple[int, int] | None:
    """(width, height), where it has one."""
    width, height = (_numbers(file, form, directory, tag) for tag in (_WIDTH, _HEIGHT))
    return (width[0], height[0]) if len(width) == len(height) == 1 and width[0] and height[0] else None


def _differs(size: tuple[int, int], whole: tuple[int, int]) -> float:
    """How much one's width to height differs from the other's."""
    return abs(size[0] / size[1] * whole[1] / whole[0] - 1)


def _write(file: BinaryIO, out: BinaryIO, form: _Form, directory: _Directory, following: int) -> None:
    """The directory's known tags, their values and its tiles; ``following``: offset of the next kept one."""
    entries = [entry for entry in directory.entries if entry.tag in _HARMLESS_TAGS]
    text = _description(file, form, directory)
    entries += [] if text is None else [_put_text(out, form, text[0], text[1])]
    entries.sort(key=lambda entry: entry.tag)
    packed = b"".join(form.entry.pack(entry.tag, entry.kind, entry.count, entry.inline) for entry in entries)
    out.seek(directory.offset)
    out.write(form.count.pack(len(entries)) + packed + form.number.pack(following))
    places = (entry.place(form) for entry in entries if entry.tag != _DESCRIPTION)
    _copy(file, out, [place for place in places if place is not None])
    offsets, lengths = (_numbers(file, form, directory, tag) for tag in (_TILE_OFFSETS, _TILE_COUNTS))
    if len(offsets) != len(lengths):
        raise SlideCorruptError("The slide's list of tiles makes no sense: the file is damaged.")
    _copy(file, out, sorted(zip(offsets, lengths, strict=True)))


def _description(file: BinaryIO, form: _Form, directory: _Directory) -> tuple[_Entry, bytes] | None:
    """Aperio's own: the format's name, sizes and resolution stay. Any other description goes."""
    entry = next((found for found in directory.entries if found.tag == _DESCRIPTION), None)
    if entry is None:
        return None
    text = _value(file, form, entry).rstrip(b"\0").decode("latin-1")
    if not text.startswith("Aperio"):
        return None
    head, *pairs = text.split("|")
    kept = [pair for pair in pairs if pair.partition("=")[0].strip().lower() in _HARMLESS_WORDS]
    return entry, "|".join([head.split(";")[0], *kept]).encode("latin-1") + b"\0"


def _put_text(out: BinaryIO, form: _Form, entry: _Entry, text: bytes) -> _Entry:
    """The shorter text in the old one's place."""
    place = entry.place(form)
    if place is None or len(text) <= len(entry.inline):
        return _Entry(entry.tag, 2, len(text), text.ljust(len(entry.inline), b"\0"))
    out.seek(place[0])
    out.write(text[: place[1]])
    return _Entry(entry.tag, 2, min(len(text), place[1]), entry.inline)


def _numbers(file: BinaryIO, form: _Form, directory: _Directory, tag: int) -> list[int]:
    entry = next((found for found in directory.entries if found.tag == tag), None)
    if entry is None or entry.kind not in _NUMBERS:
        return []
    return [number for (number,) in struct.iter_unpack(form.order + _NUMBERS[entry.kind], _value(file, form, entry))]


def _value(file: BinaryIO, form: _Form, entry: _Entry) -> bytes:
    place = entry.place(form)
    return entry.inline[: entry.length] if place is None else _read(file, *place)


def _copy(file: BinaryIO, out: BinaryIO, places: list[tuple[int, int]]) -> None:
    for offset, length in places:
        out.seek(offset)
        for at in range(offset, offset + length, COPY_BYTES):
            out.write(_read(file, at, min(COPY_BYTES, offset + length - at)))


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    if offset + length > os.fstat(file.fileno()).st_size:  # asked first: Python takes the memory before it reads
        raise SlideCorruptError("The file ends before its image does: it was cut off. Export or copy it again.")
    file.seek(offset)
    return file.read(length)
