"""Writes a Leica SCN file: pixels that lie somewhere on a larger glass, so that the slide has scanner bounds.

Source of the layout: OpenSlide's description of the format (https://openslide.org/formats/leica/): the first
directory's ImageDescription is XML that places images, in nm, on a collection, and names the directories of their
levels.
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.slides.make_slide import _ASCII, Jpeg, _encode, _entries, _Entry, _shrink, _tiles, _write_directory

_NAMESPACE = "http://www.leica-microsystems.com/scn/2010/10/01"


def write_scn(
    path: Path, pixels: NDArray[np.uint8], mpp: float, glass_px: tuple[int, int], at_px: tuple[int, int]
) -> Path:
    """uint8 [h, w, 3] ``pixels`` at ``at_px`` (x, y) of a glass of ``glass_px`` (width, height), all level-0 px."""
    levels = [pixels, _shrink(pixels, 4)]
    description = _xml(levels, mpp, glass_px, at_px)
    with path.open("wb") as out:
        out.write(struct.pack("<2sHI", b"II", 42, 0))
        link = 4
        for number, image in enumerate(levels):
            offsets, lengths = [], []
            for tile in _tiles(image, 256):
                data, _ = _encode(tile, "jpeg", Jpeg())
                offsets.append(out.tell())
                lengths.append(len(data))
                out.write(data + b"\0" * (len(data) % 2))
            entries = _entries(image, 256, "jpeg", Jpeg(), offsets, lengths, int(number > 0))
            if number == 0:
                entries.append(_Entry(270, _ASCII, description.encode() + b"\0"))
            link = _write_directory(out, entries, link)
    return path


def _xml(levels: list[NDArray[np.uint8]], mpp: float, glass_px: tuple[int, int], at_px: tuple[int, int]) -> str:
    nm = mpp * 1000
    height, width = levels[0].shape[:2]
    dimensions = "".join(
        f'<dimension sizeX="{level.shape[1]}" sizeY="{level.shape[0]}" r="{number}" ifd="{number}"/>'
        for number, level in enumerate(levels)
    )
    return (
        f'<?xml version="1.0"?><scn xmlns="{_NAMESPACE}">'
        f'<collection name="c" sizeX="{round(glass_px[0] * nm)}" sizeY="{round(glass_px[1] * nm)}">'
        '<image name="main"><device model="made for a test" version="1"/>'
        f'<pixels sizeX="{width}" sizeY="{height}">{dimensions}</pixels>'
        f'<view sizeX="{round(width * nm)}" sizeY="{round(height * nm)}" '
        f'offsetX="{round(at_px[0] * nm)}" offsetY="{round(at_px[1] * nm)}"/>'
        "<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings>"
        "<illuminationSettings><illuminationSource>brightfield</illuminationSource></illuminationSettings>"
        "</scanSettings></image></collection></scn>"
    )
