"""Pyramids with something among their levels that is none: a label, a macro, a larger image. Every pixel is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.slides.formats.opening import open_slide
from app.slides.tiles.display import Display
from app.slides.tiles.survey import survey_slide
from app.slides.tiles.tile_reader import TileReader
from app.slides.types import ReadingPlan
from app.viewer.deepzoom import DeepZoom
from tests.slides.make_tiff import MPP, Page, page
from tests.slides.pixels import jpeg
from tests.tissue import paint_tissue

INK, PAPER = (0, 255, 0), (250, 240, 20)
"""Of a label. No slide has such a green."""
APERIO = b"Aperio Image Library v12.0.0\r\n1600x1200 (256x256)|AppMag = 20|MPP = 0.5\0"
PLAN = ReadingPlan(tile_px=112, tile_mpp=2.0)


def tissue(width: int = 1600, height: int = 1200) -> NDArray[np.uint8]:
    """uint8 [height, width, 3] at 0.5 µm/px: painted at 2 µm/px, so that every level shows its nuclei."""
    small = paint_tissue(-(-width // 4), -(-height // 4))
    return np.ascontiguousarray(np.repeat(np.repeat(small, 4, 0), 4, 1)[:height, :width])


def filled_up(pixels: NDArray[np.uint8], tile_px: int, colour: int) -> NDArray[np.uint8]:
    """With rows and columns of one grey to the next whole tile."""
    height, width = (-(-side // tile_px) * tile_px for side in pixels.shape[:2])
    filled = np.full((height, width, 3), colour, np.uint8)
    filled[: pixels.shape[0], : pixels.shape[1]] = pixels
    return filled


def label(width: int, height: int) -> NDArray[np.uint8]:
    """Lines of green bars on yellow paper, as text would lie on a label."""
    pixels = np.full((height, width, 3), PAPER, np.uint8)
    for line in range(height // 8, height * 3 // 4, max(4, height // 6)):
        for left in range(width // 10, width * 4 // 5, max(6, width // 12)):
            pixels[line : line + max(2, height // 12), left : left + max(2, width // 24)] = INK
    return pixels


def jpeg_page(pixels: NDArray[np.uint8], flag: int = 0, description: bytes | None = None, tile_px: int = 256) -> Page:
    """A directory of JPEG tiles; ``flag``: NewSubfileType."""
    return page(pixels, {254: flag, 259: 7, 262: 6, 530: (1, 1), 270: description}, jpeg, tile_px)


def raw_page(pixels: NDArray[np.uint8], flag: int = 0, description: bytes | None = None, tile_px: int = 256) -> Page:
    """A directory of uncompressed tiles."""
    return page(pixels, {254: flag, 270: description}, tile_px=tile_px)


def strip_page(pixels: NDArray[np.uint8], flag: int = 0, description: bytes | None = None) -> Page:
    """A directory of one uncompressed strip."""
    found = raw_page(pixels, flag, description, tile_px=max(pixels.shape[:2]))
    tags = {tag: value for tag, value in found.tags.items() if tag not in {322, 323}}
    return Page({**tags, 278: pixels.shape[0]}, [pixels.tobytes()])


@dataclass(frozen=True)
class Seen:
    """Everything that is made of a slide's pixels."""

    levels: tuple[tuple[int, int, float], ...]
    survey: Sequence[NDArray[np.generic]]
    tiles: Sequence[NDArray[np.uint8]]
    shown: Sequence[NDArray[np.uint8]]

    def assert_same(self, other: "Seen") -> None:
        """To the bit."""
        assert self.levels == other.levels
        for mine, theirs in ((self.survey, other.survey), (self.tiles, other.tiles), (self.shown, other.shown)):
            assert len(mine) == len(theirs) > 0
            assert all(np.array_equal(*pair) for pair in zip(mine, theirs, strict=True))

    def pictures(self) -> list[NDArray[np.uint8]]:
        """All that a person or a model sees."""
        return [self.survey[0].astype(np.uint8), *self.tiles, *self.shown]


def look(path, mpp: float | None = MPP) -> Seen:
    """The slide at ``path`` as analysis and viewer read it."""
    with open_slide(path, mpp) as opened:
        survey = survey_slide(opened, PLAN)
        with TileReader(opened, PLAN, survey.coords) as reader:
            tiles = [reader.tile(index) for index in range(len(survey.coords))]
        zoom, display = DeepZoom(opened.info.width, opened.info.height), Display(opened)
        shown = [
            display.region(*zoom.tile(level, column, row))
            for level in range(zoom.top + 1)
            for row in range(zoom.tiles(level)[1])
            for column in range(zoom.tiles(level)[0])
        ]
        levels = tuple((level.width, level.height, level.downsample) for level in opened.info.levels)
    arrays = [survey.thumbnail, survey.tissue_mask, survey.artefacts, survey.coords, survey.tissue_fractions]
    return Seen(levels, arrays, tiles, shown)


def has_ink(pixels: NDArray[np.uint8]) -> bool:
    """Whether something of a label's green is there, however it was blended."""
    red, green, blue = (pixels[..., channel].astype(int) for channel in range(3))
    return bool(((green > red + 60) & (green > blue + 60)).any())
