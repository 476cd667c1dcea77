"""The colours of each level as stated by header and codestream, and as shown by OpenSlide.

OpenSlide trusts the header: JPEG is converted as the header says. JPEG 2000 is shown as decoded, except Aperio's
compression 33003, which is YCbCr without a transform of its own.
Sources: TIFF 6.0 (PhotometricInterpretation), DICOM PS3.5, 8.2 (photometric interpretations of each transfer syntax),
and the source of OpenSlide 4.0.1.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import openslide
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGBaseline8Bit

from app.errors import SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.catalogue import format_of
from app.slides.formats.codestream import HEAD_BYTES, Colours, is_jp2_file, jpeg2000_colours, jpeg_colours
from app.slides.formats.dicom.dicom_frames import first_frame_head
from app.slides.formats.dicom.dicom_headers import DicomHeader
from app.slides.formats.dicom.dicom_study import DicomSlide
from app.slides.formats.finding import FoundSlide
from app.slides.formats.tiff.tiff_directory import Directory, read_directories
from app.slides.formats.tiff.tiff_kind import APERIO_JPEG_2000, PIXEL_TAGS, is_plain_jpeg
from app.slides.formats.tiff.tiff_levels import WANTED, level_directories

Codec = Literal["JPEG", "JPEG 2000"]
_COMPRESSION, _PHOTOMETRIC, _OFFSETS, _COUNTS = 259, 262, 324, 325
_YCBCR = 6
_DICOM_CODECS: dict[str, Codec] = {
    JPEGBaseline8Bit: "JPEG",
    JPEG2000Lossless: "JPEG 2000",
    JPEG2000: "JPEG 2000",
}
NAMES: dict[Colours, str] = {"rgb": "RGB", "ycbcr": "YCbCr"}


@dataclass(frozen=True)
class Claim:
    """One level. ``header``: its word for the colours. ``meant``: what the header means by it. ``shown``: what
    OpenSlide takes the decoded channels for. ``codestream``: what they are as the tiles say; None where they do not."""

    container: Literal["TIFF", "DICOM"]
    codec: Codec
    header: str
    meant: Colours
    shown: Colours
    codestream: Colours | None


def read_claims(slide: openslide.OpenSlide, found: FoundSlide) -> dict[int, Claim]:
    """The claim of each of OpenSlide's levels, by number, without levels that need no claim.

    Raises SlideUnsupportedError if one level's tiles contradict each other; SlideCorruptError, OSError.
    """
    vendor = slide.properties.get(openslide.PROPERTY_NAME_VENDOR, "")
    if found.dicom is not None:
        made = _dicom_claims(slide, found.dicom)
    elif format_of(vendor).is_tiled_tiff:
        made = _tiff_claims(slide, found.entry, vendor)
    else:
        return {}
    claims: dict[int, Claim] = {}
    for number, claim in made:
        if claims.setdefault(number, claim) != claim:
            raise _contradiction()
    return claims


def _tiff_claims(slide: openslide.OpenSlide, entry: Path, vendor: str) -> Iterator[tuple[int, Claim]]:
    directories = level_directories(list(read_directories(entry, WANTED | PIXEL_TAGS | {_OFFSETS, _COUNTS})), vendor)
    with entry.open("rb") as file:
        claims = [_tiff_claim(file.fileno(), directory) for directory in directories]
    if format_of(vendor).is_read_directly and len(directories) == slide.level_count:
        yield from ((number, claim) for number, claim in enumerate(claims) if claim is not None)
        return
    # Which directory is which level is not known, nor which is a macro: a fault must be the same in all.
    distinct = {claim for claim in claims if claim is not None}
    if any(claim.codestream not in {None, claim.shown} for claim in distinct):
        if len(distinct) > 1:
            raise _contradiction()
        yield from ((number, claim) for number in range(slide.level_count) for claim in distinct)


def _tiff_claim(fd: int, directory: Directory) -> Claim | None:
    compression = directory.number(_COMPRESSION) or 0
    if compression in APERIO_JPEG_2000:
        colours = APERIO_JPEG_2000[compression]
        said = {_jpeg2000(head) for head in _tile_heads(fd, directory)} - {None}
        return Claim("TIFF", "JPEG 2000", f"compression {compression}", colours, colours, _agreed(said))
    if not is_plain_jpeg(directory):
        return None
    colours = "ycbcr" if directory.number(_PHOTOMETRIC) == _YCBCR else "rgb"
    said = {jpeg_colours(head) for head in _tile_heads(fd, directory)} - {None}
    return Claim("TIFF", "JPEG", NAMES[colours], colours, colours, _agreed(said))


def _tile_heads(fd: int, directory: Directory) -> Iterator[bytes]:
    """The first bytes of the first, middle and last stored tile."""
    offsets, counts = directory.tags.get(_OFFSETS), directory.tags.get(_COUNTS)
    if offsets is None or counts is None or len(offsets) != len(counts):
        return
    present = np.flatnonzero(counts)
    for place in {int(present[at]) for at in (0, len(present) // 2, -1)} if len(present) else ():
        yield os.pread(fd, min(int(counts[place]), HEAD_BYTES), int(offsets[place]))


def _dicom_claims(slide: openslide.OpenSlide, dicom: DicomSlide) -> Iterator[tuple[int, Claim]]:
    numbers = {size: number for number, size in enumerate(slide.level_dimensions)}
    for header in dicom.levels:
        number = numbers.get((header.width or 0, header.height or 0))
        if number is not None and header.transfer_syntax_uid in _DICOM_CODECS:
            yield number, _dicom_claim(header)


def _dicom_claim(header: DicomHeader) -> Claim:
    codec, word = _DICOM_CODECS[header.transfer_syntax_uid], header.photometric or ""
    head = first_frame_head(header.path, HEAD_BYTES)
    meant: Colours = "rgb" if word == "RGB" else "ycbcr"
    if codec == "JPEG":
        return Claim("DICOM", codec, word, meant, meant, jpeg_colours(head))
    return Claim("DICOM", codec, word, meant, "rgb", _jpeg2000(head))


def _jpeg2000(head: bytes) -> Colours | None:
    if is_jp2_file(head):
        raise SlideUnsupportedError(sentences.JP2_FILES)
    return jpeg2000_colours(head)


def _agreed(said: set[Colours | None]) -> Colours | None:
    if len(said) > 1:
        raise _contradiction()
    return next(iter(said), None)


def _contradiction() -> SlideUnsupportedError:
    return SlideUnsupportedError(sentences.COLOURS_MIXED)
