"""Kinds of tiled TIFF that OpenSlide cannot open or shows wrongly.

OpenSlide decodes JPEG tiles of interleaved 8-bit RGB or YCbCr itself, and Aperio's JPEG 2000 too. All other tiles go
through libtiff's RGBA reader.

- Source: TIFF 6.0, sections 4 (PhotometricInterpretation), 8 (Orientation), 14 (Predictor), 18 (ExtraSamples) and 19
  (SampleFormat).
- Source: the registered compression numbers as libtiff lists them, and Adobe's TIFF Technical Note 3 (Predictor 3).
- Source: the code of OpenSlide 4.0.1 and libtiff.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from app.errors import SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.codestream import Colours
from app.slides.formats.sentence import COMPRESSIONS
from app.slides.formats.tiff.tiff_directory import Directory, read_directories

_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _PLANAR, _EXTRA = 258, 259, 262, 274, 277, 284, 338
_PREDICTOR, _SAMPLE_FORMAT = 317, 339
_TILE_OFFSETS = 324
PIXEL_TAGS = frozenset(
    {_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _PLANAR, _EXTRA, _PREDICTOR, _SAMPLE_FORMAT}
)
_JPEG = 7
APERIO_JPEG_2000: Mapping[int, Colours] = {33003: "ycbcr", 33005: "rgb"}
"""Aperio's compressions, and what the channels of each are."""
_READABLE = frozenset({1, 5, _JPEG, 8, 32773, 32946, 50000})
_GREY, _RGB, _YCBCR = frozenset({0, 1}), 2, 6
_SAMPLES_MIN = {_RGB: 3, 3: 1, 5: 4, _YCBCR: 3, 8: 3}
"""Of palette (3), CMYK (5) and CIELab (8) too."""
_MIRRORED = frozenset({2, 3, 4, 6, 7, 8})
"""Orientations for which libtiff mirrors each tile in its place; 1 and 5 begin at the top left."""
_NOT_UNSIGNED = {2: "signed", 3: "floating-point"}
"""Names by SampleFormat; libtiff's RGBA reader reads signed samples as unsigned."""
_FLOATING_POINT_PREDICTOR = 3
_IN_STRIPS = "hamamatsu"
"""NDPI has strips, all other formats tiles."""
_BIG_ENDIAN = b"MM\0*"


def refuse_unsupported_tiff(path: Path) -> None:
    """Raises SlideUnsupportedError if OpenSlide would show the tiled TIFF at ``path`` wrongly.

    Tiles that OpenSlide decodes itself are read as stored, whatever the Orientation tag says.
    """
    for place, directory in enumerate(_tiled(path)):
        if directory.number(_COMPRESSION) in APERIO_JPEG_2000 or is_plain_jpeg(directory):
            continue
        if place == 0:
            _refuse_pixels(directory)
        orientation = directory.number(_ORIENTATION)
        if orientation in _MIRRORED:
            raise SlideUnsupportedError(sentences.TIFF_ORIENTATION(orientation=orientation))


def has_alpha(path: Path) -> bool:
    """Whether a level of the tiled TIFF at ``path`` is RGBA. Raises SlideCorruptError, OSError."""
    return any(one.number(_PHOTOMETRIC) == _RGB and (one.number(_SAMPLES) or 0) > 3 for one in _tiled(path))


def unreadable_tiff(path: Path, vendor: str | None) -> SlideUnsupportedError | None:
    """The error for a tiled TIFF that OpenSlide cannot open because of its kind. Raises SlideCorruptError.

    ``vendor``: OpenSlide's name for the format; None if it has none.
    """
    directories = list(read_directories(path, PIXEL_TAGS) if vendor == _IN_STRIPS else _tiled(path))
    readable = _READABLE | APERIO_JPEG_2000.keys() if vendor == "aperio" else _READABLE
    for directory in directories:
        compression = directory.number(_COMPRESSION)
        if compression is not None and compression not in readable:
            name = COMPRESSIONS.get(compression)
            return SlideUnsupportedError(sentences.TIFF_COMPRESSION(compression=compression, compression_name=name))
    with path.open("rb") as file:
        is_big_endian = file.read(len(_BIG_ENDIAN)) == _BIG_ENDIAN
    if directories and is_big_endian:
        return SlideUnsupportedError(sentences.TIFF_BIG_ENDIAN)
    return None


def is_plain_jpeg(directory: Directory) -> bool:
    """Whether OpenSlide decodes the tiles with libjpeg only: interleaved 8-bit JPEG of RGB or YCbCr."""
    return (
        directory.number(_COMPRESSION) == _JPEG
        and directory.number(_PLANAR) in {None, 1}
        and directory.number(_PHOTOMETRIC) in {_RGB, _YCBCR}
        and _bits(directory) == {8}
        and directory.number(_SAMPLES) == 3
    )


def _tiled(path: Path) -> Iterator[Directory]:
    return (found for found in read_directories(path, PIXEL_TAGS | {_TILE_OFFSETS}) if _TILE_OFFSETS in found.tags)


def _refuse_pixels(directory: Directory) -> None:
    samples, photometric = directory.number(_SAMPLES) or 1, directory.number(_PHOTOMETRIC)
    if photometric in _GREY:
        kind = f"{samples} separate channels" if samples > 1 else "one channel per page (greyscale or fluorescence)"
        raise SlideUnsupportedError(sentences.TIFF_GREY(channels=kind))
    least = _SAMPLES_MIN.get(photometric or 0, math.inf)
    if samples < least or (least == 1 and samples > 1):
        raise SlideUnsupportedError(sentences.TIFF_SAMPLES(samples=samples, photometric_tag=photometric))
    if not _bits(directory) <= {8, 16} and samples >= 3:
        bits = max(_bits(directory))
        raise SlideUnsupportedError(sentences.TIFF_BITS(bits=bits))
    for number in directory.tags.get(_SAMPLE_FORMAT, ()):
        if (name := _NOT_UNSIGNED.get(int(number))) is not None:
            raise SlideUnsupportedError(sentences.TIFF_NOT_UNSIGNED(samples_kind=name))
    if directory.number(_PREDICTOR) == _FLOATING_POINT_PREDICTOR:
        raise SlideUnsupportedError(sentences.TIFF_PREDICTOR)
    if photometric == _RGB and samples > 3:
        extra = directory.tags.get(_EXTRA)
        if samples > 4 or extra is None or 0 in extra:
            raise SlideUnsupportedError(sentences.TIFF_EXTRA_SAMPLES(samples=samples))


def _bits(directory: Directory) -> set[int]:
    values = directory.tags.get(_BITS)
    return {1} if values is None else {int(value) for value in values}
