import numpy as np
import pytest

from app.slides.formats.opening import open_slide
from app.slides.tiles.survey import survey_slide
from app.slides.types import ReadingPlan
from tests.slides.make_slide import he_like, write_svs


def surveyed(path, tissue, height=3_600, width=5_400, plan=ReadingPlan()):  # noqa: B008  (frozen)
    with open_slide(write_svs(path, he_like(height, width, 0.5, tissue), 0.5, levels=(1, 4))) as opened:
        return survey_slide(opened, plan)


def test_tiles_over_tissue_are_kept_and_glass_is_not(tmp_path):
    survey = surveyed(tmp_path / "s.svs", [(0.0, 0.0, 0.5, 0.5)])  # 2700 × 1800 px: three by two tiles, nearly
    assert (survey.grid_columns, survey.grid_rows, survey.tile_size0) == (7, 5, 896.0)
    assert survey.thumbnail.shape == (225, 338, 3) and survey.tissue_mask.shape == (225, 338)
    expected = [[x, y] for y in (0, 896) for x in (0, 896, 1792)]
    assert [coord for coord in survey.coords.tolist() if coord in expected] == expected
    assert {tuple(coord) for coord in survey.coords.tolist()} <= {
        (x, y) for y in (0, 896, 1792) for x in (0, 896, 1792, 2688)
    }
    assert survey.tissue_fractions[:3] == pytest.approx([1, 1, 1], abs=0.02)
    assert survey.tissue_area_mm2 == pytest.approx(2700 * 1800 * 0.25e-6, rel=0.1)
    assert survey.qc.stain_he is None and survey.qc.pen_fraction == 0 and survey.qc.out_of_focus_fraction is None
    assert survey.warnings == ()


def test_tiny_tissue_is_kept_with_a_warning(tmp_path):
    survey = surveyed(tmp_path / "s.svs", [(0.4, 0.4, 0.44, 0.44)])  # 216 × 144 px: 4 % of a tile
    assert 1 <= len(survey.coords) <= 4
    assert survey.tissue_mask.any() and survey.tissue_fractions.max() < 0.10
    assert survey.warnings[0].startswith("tiles_below_tissue_min: ")


def test_an_empty_slide_has_a_thumbnail_and_a_mask_but_no_tiles(tmp_path):
    survey = surveyed(tmp_path / "s.svs", [])
    assert survey.coords.shape == (0, 2) and survey.tissue_fractions.shape == (0,)
    assert survey.coords.dtype == np.int64 and survey.tissue_fractions.dtype == np.float32
    assert survey.thumbnail.shape == (225, 338, 3) and not survey.tissue_mask.any()
    assert survey.warnings == () and survey.tissue_area_mm2 == 0
