"""Kinds of tiled TIFF that OpenSlide opens but does not show as they are.

Sources: TIFF 6.0, section 8 (Orientation) and the source of OpenSlide 4.0.1 and libtiff: OpenSlide decodes JPEG tiles
of interleaved 8-bit RGB or YCbCr itself, and Aperio's JPEG 2000 too. All other tiles go through libtiff's RGBA reader.
"""

from pathlib import Path

from app.errors import SlideUnsupportedError
from app.slides.tiff_directory import Directory, read_directories

_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _PLANAR, _TILE_OFFSETS = 258, 259, 262, 274, 277, 284, 324
_WANTED = frozenset({_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _PLANAR, _TILE_OFFSETS})
_JPEG = 7
_APERIO_JPEG_2000 = frozenset({33003, 33005})
_RGB_OR_YCBCR = frozenset({2, 6})
_MIRRORED = frozenset({2, 3, 4, 6, 7, 8})
"""Orientations for which libtiff mirrors each tile in its place; 1 and 5 begin at the top left."""


def refuse_unsupported_tiff(path: Path) -> None:
    """Raises SlideUnsupportedError where OpenSlide would show the tiled TIFF at ``path`` wrongly.

    Tiles that OpenSlide decodes itself are read as stored, whatever Orientation says.
    """
    for directory in read_directories(path, _WANTED):
        if _TILE_OFFSETS not in directory.tags or _is_decoded_by_openslide(directory):
            continue
        orientation = directory.number(_ORIENTATION)
        if orientation in _MIRRORED:
            raise SlideUnsupportedError(
                f"The TIFF's Orientation tag is {orientation}. Tiles of this compression are read correctly only with "
                "Orientation 1. Convert the slide to Orientation 1 (top left), or to JPEG tiles."
            )


def _is_decoded_by_openslide(directory: Directory) -> bool:
    compression = directory.number(_COMPRESSION)
    if compression in _APERIO_JPEG_2000:
        return True
    bits = directory.tags.get(_BITS)
    return (
        compression == _JPEG
        and directory.number(_PLANAR) in {None, 1}
        and directory.number(_PHOTOMETRIC) in _RGB_OR_YCBCR
        and bits is not None
        and bits.tolist() == [8, 8, 8]
        and directory.number(_SAMPLES) == 3
    )
