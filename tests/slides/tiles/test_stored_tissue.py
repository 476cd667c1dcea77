"""Tiles that are missing from the file: glass where nothing else is known, lost tissue where a smaller image has it."""

import re

import numpy as np
import pytest

from app.slides.formats.opening import open_slide
from app.slides.tiles.survey import survey_slide
from app.slides.types import ReadingPlan
from tests.slides.make_pyramid import APERIO, jpeg_page, raw_page, tissue
from tests.slides.make_tiff import MPP, Page, write_tiff
from tests.slides.pixels import shrunk

WIDTH, HEIGHT, TILE_PX = 1600, 1200, 256
ACROSS = -(-WIDTH // TILE_PX)
FINE, COARSE = ReadingPlan(tile_mpp=0.5), ReadingPlan(tile_px=112, tile_mpp=2.0)
"""Read from level 0 and from level 1/4."""
PAGES = {"jpeg": jpeg_page, "raw": raw_page}


@pytest.fixture(scope="module")
def pixels():
    found = tissue(WIDTH, HEIGHT)
    found[: 2 * TILE_PX, : 2 * TILE_PX] = 255
    return found


def without(page: Page, missing) -> Page:
    return Page(page.tags, [b"" if at in missing else tile for at, tile in enumerate(page.tiles)])


def surveyed(path, pixels, kind, missing, plan):
    pages = [PAGES[kind](shrunk(pixels, 2**number), min(number, 1)) for number in range(3)]
    write_tiff(path, [without(pages[0], missing), *pages[1:]])
    with open_slide(path, MPP) as opened:
        assert [level.downsample for level in opened.info.levels] == [1, 2, 4]
        return survey_slide(opened, plan)


def inside(shape, missing):
    """bool [*shape]: what the missing tiles cover."""
    rows, columns = (
        np.arange(side) * whole // side // TILE_PX for side, whole in zip(shape, (HEIGHT, WIDTH), strict=True)
    )
    return np.isin(rows[:, None] * ACROSS + columns, list(missing))


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("missing", [{16}, {17, 18, 24, 25}, set(range(14, 21)), set(range(20))])
def test_lost_tissue_is_not_analysed_and_is_told(tmp_path, pixels, kind, missing):
    whole = surveyed(tmp_path / "a.tif", pixels, kind, (), FINE)
    survey = surveyed(tmp_path / "b.tif", pixels, kind, missing, FINE)
    assert whole.warnings == ()
    gone = whole.tissue_mask & ~survey.tissue_mask
    lost = inside(gone.shape, missing)
    assert gone.any() and not (gone & ~lost).any()
    assert np.count_nonzero(survey.tissue_mask & lost) <= 0.1 * np.count_nonzero(gone)  # glass at the tissue's edge
    assert len(survey.warnings) == 1
    said = re.fullmatch(r"part_left_out: the file lacks pixels of ([0-9.]+) mm² of tissue, .*", survey.warnings[0])
    assert float(said[1]) == pytest.approx(whole.tissue_area_mm2 - survey.tissue_area_mm2, abs=0.001)
    assert all(
        inside((HEIGHT, WIDTH), missing)[y : y + 224, x : x + 224].mean() < 0.91 for x, y in survey.coords.tolist()
    )


@pytest.mark.parametrize("kind", PAGES)
def test_a_smaller_image_that_has_the_tissue_is_analysed_as_ever(tmp_path, pixels, kind):
    whole = surveyed(tmp_path / "a.tif", pixels, kind, (), COARSE)
    survey = surveyed(tmp_path / "b.tif", pixels, kind, {17, 18}, COARSE)
    assert np.array_equal(survey.tissue_mask, whole.tissue_mask) and np.array_equal(survey.coords, whole.coords)
    assert survey.warnings[0].startswith("part_left_out: the largest image of the slide lacks 0.")


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("plan", [FINE, COARSE], ids=["fine", "coarse"])
def test_missing_glass_is_glass(tmp_path, pixels, kind, plan):
    """As scanners leave it out: here with tissue right beside it."""
    whole = surveyed(tmp_path / "a.tif", pixels, kind, (), plan)
    survey = surveyed(tmp_path / "b.tif", pixels, kind, {0, 1, ACROSS, ACROSS + 1}, plan)
    assert np.array_equal(survey.tissue_mask, whole.tissue_mask) and survey.warnings == ()


@pytest.mark.parametrize("missing", [(), {16}, set(range(14, 21))])
def test_an_svs_that_lacks_part_of_its_largest_image_says_how_much(tmp_path, pixels, missing):
    """OpenSlide shows glass there in every image."""
    pages = [jpeg_page(shrunk(pixels, 4**number), 0, APERIO) for number in range(2)]
    write_tiff(tmp_path / "a.svs", [without(pages[0], missing), pages[1]])
    with open_slide(tmp_path / "a.svs", None) as opened:
        assert opened.info.vendor == "aperio"
        warnings = survey_slide(opened, FINE).warnings
    areas = [float(re.search(r"lacks ([0-9.]+) mm²", text)[1]) for text in warnings]
    expected = sum(
        min(TILE_PX, WIDTH - at % ACROSS * TILE_PX) * min(TILE_PX, HEIGHT - at // ACROSS * TILE_PX) for at in missing
    )
    assert areas == ([pytest.approx(expected * 0.25e-6, rel=0.05)] if missing else [])
    assert all(text.startswith("part_left_out: ") for text in warnings)
