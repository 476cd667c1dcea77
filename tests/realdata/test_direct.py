"""Tiles of the real slides, read directly, against OpenSlide and Pillow.

Where OpenSlide's factor for a level is no whole number, it interpolates at most places, but not from the level's
corner: there the whole level is read at once, and cut.
"""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.slides.formats.levels.level import choose_level
from app.slides.formats.opening import OpenedSlide, open_slide
from app.slides.tiles.survey import survey_slide
from app.slides.tiles.tile_reader import TileReader
from app.slides.types import ReadingPlan

PLAN = ReadingPlan()
TILES_MOST = 8
SLIDES = [  # name, mpp where the file names none, whether OpenSlide interpolates on the level that is read
    ("dev_ck7p40_ihc_20x.svs", None, False),
    ("dev_crohn_he4_20x_jp2k.svs", None, False),
    ("dev_lusc_he2_20x_philips.tiff", None, False),
    ("dev_lusc_he3_20x.svs", None, False),
    ("dev_lusc_he3_40x.svs", None, True),
    ("dev_pdac_adrenal_he_20x_jp2k.svs", None, False),
    ("dev_ras_he_30x.svs", None, True),
    ("dev_tubadenoma_crop_vips_bogus_mpp1000.tiff", 0.5, False),
    ("dev_tubadenoma_he_nomag_generic.tiff", 0.5, False),
    ("fix_cmu1_small_region.svs", None, False),
    ("fix_tcga_cr_7395_ts1_nomag.svs", 0.5, True),
]


class Judge:
    """What OpenSlide and Pillow make of a tile, from whole level px."""

    def __init__(self, opened: OpenedSlide, level: int) -> None:
        self._opened, self._level = opened, level
        self._said = opened.slide.level_downsamples[level]
        self._whole = None
        if self._said != round(self._said):
            self._whole = opened.slide.read_region((0, 0), level, opened.slide.level_dimensions[level])

    def tile(self, x0: int, y0: int) -> np.ndarray:
        downsample = self._opened.info.levels[self._level].downsample
        side = PLAN.tile_px * PLAN.tile_mpp / self._opened.info.mpp / downsample
        left, top = x0 / downsample, y0 / downsample
        x, y = math.floor(left), math.floor(top)
        right, bottom = math.ceil(left + side - 1e-6), math.ceil(top + side - 1e-6)
        if self._whole is None:
            said = round(self._said)
            region = self._opened.slide.read_region((x * said, y * said), self._level, (right - x, bottom - y))
        else:
            region = self._whole.crop((x, y, right, bottom))
        over_white = Image.new("RGB", region.size, (255, 255, 255))
        over_white.paste(region, mask=region.getchannel("A"))
        box = (left - x, top - y, min(left - x + side, right - x), min(top - y + side, bottom - y))
        return np.asarray(over_white.resize((PLAN.tile_px, PLAN.tile_px), Image.Resampling.LANCZOS, box=box))


@pytest.mark.parametrize(("name", "mpp", "interpolated"), SLIDES)
def test_every_slides_tiles_are_openslides_to_two_grey_levels(slides_dir: Path, name, mpp, interpolated):
    with open_slide(slides_dir / name, mpp) as opened:
        level = choose_level(opened.info, PLAN.tile_mpp)
        coords = survey_slide(opened, PLAN).coords
        coords = coords[np.unique(np.linspace(0, len(coords) - 1, min(TILES_MOST, len(coords))).round().astype(int))]
        judge = Judge(opened, level)
        assert (judge._whole is not None) == interpolated
        with TileReader(opened, PLAN, coords) as reader:
            assert reader.why_openslide == ""
            differences = [
                int(np.abs(reader.tile(index).astype(int) - judge.tile(*xy)).max())
                for index, xy in enumerate(coords.tolist())
            ]
            assert reader.by_openslide == 0
    assert max(differences) <= 2, differences
