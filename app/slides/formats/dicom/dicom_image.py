"""Positions of the compressed frames of one DICOM level, if they can be read without OpenSlide."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.uid import JPEGBaseline8Bit

from app.slides.formats.compressed.tiled_image import TILE_PX_MAX, NotDirectError, TiledImage
from app.slides.formats.dicom.dicom_frames import fragment_places
from app.slides.formats.dicom.dicom_headers import DicomHeader


def dicom_image(headers: Sequence[DicomHeader], size: tuple[int, int]) -> tuple[Path, TiledImage]:
    """The file of the level of ``size`` (width, height) px, and its frames as tiles of RGB JPEG.

    Raises NotDirectError unless the frames are in one file, row by row, each in one fragment; OSError.
    """
    levels = [header for header in headers if header.is_volume and (header.width, header.height) == size]
    if len(levels) != 1:
        raise NotDirectError(f"{len(levels)} files hold the level")
    header, tile_width, tile_height = levels[0], levels[0].tile_width or 0, levels[0].tile_height or 0
    if header.transfer_syntax_uid != JPEGBaseline8Bit or header.organization != "TILED_FULL":
        raise NotDirectError(f"{header.organization} in transfer syntax {header.transfer_syntax_uid}")
    if not (0 < tile_width <= TILE_PX_MAX and 0 < tile_height <= TILE_PX_MAX):
        raise NotDirectError(f"frames of {tile_width} × {tile_height} px")
    shape = -(-size[1] // tile_height), -(-size[0] // tile_width)
    frames = shape[0] * shape[1]
    places = np.array(fragment_places(header.path, frames + 1), np.int64).reshape(-1, 2)
    if len(places) != frames:
        raise NotDirectError(f"not one fragment for each of {frames} frames")
    image = TiledImage(
        width=size[0],
        height=size[1],
        tile_width=tile_width,
        tile_height=tile_height,
        offsets=places[:, 0].reshape(shape),
        byte_counts=places[:, 1].reshape(shape),
        coding="jpeg-rgb",
        jpeg_tables=b"",
    )
    return header.path, image
