"""The same tissue in two files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.slides.formats.colours.channels import judge_channels
from app.slides.formats.levels.level import choose_level
from app.slides.formats.opening import open_slide
from app.slides.sandbox.reader import SlideReader
from app.slides.tiles.render import render_tile
from app.slides.tiles.thumbnail import render_thumbnail
from app.slides.tissue.stain import stain_is_he
from app.slides.types import ReadingPlan, Survey, UInt8Array


def read(path: Path, plan: ReadingPlan) -> tuple[Survey, UInt8Array]:
    with SlideReader() as reader:
        reader.open(path)
        survey = reader.survey(plan)
        return survey, np.concatenate([batch.tiles.copy() for batch in reader.tiles(16)])


@pytest.fixture(scope="module")
def lusc(slides_dir: Path) -> dict[str, tuple[Survey, UInt8Array]]:
    names = {"40x": "dev_lusc_he3_40x.svs", "20x": "dev_lusc_he3_20x.svs", "dicom": "dev_lusc_he3_20x_dicom"}
    return {key: read(slides_dir / name, ReadingPlan()) for key, name in names.items()}


def test_svs_and_dicom_of_the_same_jpeg_data_give_identical_tiles(lusc):
    (svs, svs_tiles), (dicom, dicom_tiles) = lusc["20x"], lusc["dicom"]
    assert np.array_equal(svs.coords, dicom.coords)
    assert np.array_equal(svs.tissue_mask, dicom.tissue_mask)
    assert np.array_equal(svs_tiles, dicom_tiles)


def test_the_same_at_a_reduced_level(slides_dir: Path):
    """The SVS is read directly, the DICOM through OpenSlide, which interpolates where it calls the level 4.0009."""
    plan = ReadingPlan(level_tolerance=0.06)
    svs, svs_tiles = read(slides_dir / "dev_lusc_he3_20x.svs", plan)
    dicom, dicom_tiles = read(slides_dir / "dev_lusc_he3_20x_dicom", plan)
    assert np.array_equal(svs.coords, dicom.coords)
    assert np.abs(svs_tiles.astype(int) - dicom_tiles).mean() < 1
    with open_slide(slides_dir / "dev_lusc_he3_20x.svs") as opened:
        for (x0, y0), tile in zip(svs.coords.tolist(), dicom_tiles, strict=True):
            assert np.array_equal(render_tile(opened, plan, 1, x0, y0), tile)


def test_40x_and_20x_of_the_same_tissue_have_the_same_grid(lusc):
    (fine, fine_tiles), (coarse, coarse_tiles) = lusc["40x"], lusc["20x"]
    assert (fine.grid_columns, fine.grid_rows) == (coarse.grid_columns, coarse.grid_rows)
    assert np.array_equal(np.rint(fine.coords / fine.tile_size0), np.rint(coarse.coords / coarse.tile_size0))
    # The same place to a fraction of a pixel: shifted by one, the pictures agree less.
    assert np.abs(fine_tiles.astype(float) - coarse_tiles).mean() < 12
    for axis in (1, 2):
        for step in (-1, 1):
            shifted = np.roll(coarse_tiles, step, axis).astype(float)
            inner = (slice(None), slice(4, -4), slice(4, -4))
            aligned = np.abs(fine_tiles.astype(float) - coarse_tiles)[inner].mean()
            assert aligned < np.abs(fine_tiles.astype(float) - shifted)[inner].mean()


def test_a_dicom_twin_whose_header_lies_about_its_colours_looks_the_same(slides_dir: Path):
    """Level 0 of both was compressed once more for the DICOM: alike, not identical."""
    plan = ReadingPlan(tile_mpp=0.5)
    tiles = {}
    for name in ("fix_cmu1_small_region.svs", "fix_cmu1_small_region_dicom"):
        with open_slide(slides_dir / name) as opened:
            assert set(opened.colours.values()) == ({"ycbcr"} if name.endswith("dicom") else set())
            level = choose_level(opened.info, plan.tile_mpp)
            tiles[name] = np.stack([render_tile(opened, plan, level, x0, 1200) for x0 in (448, 672, 896)]).astype(float)
    svs, dicom = tiles.values()
    assert np.abs(svs.mean(axis=(1, 2)) - dicom.mean(axis=(1, 2))).max() < 2
    assert np.abs(svs - dicom).mean() < 6


def test_a_dicom_twin_with_its_own_pyramid_finds_the_same_tissue(slides_dir: Path):
    svs, _ = read(slides_dir / "fix_cmu1_small_region.svs", ReadingPlan())
    dicom, _ = read(slides_dir / "fix_cmu1_small_region_dicom", ReadingPlan())
    assert np.array_equal(svs.coords, dicom.coords)
    assert dicom.warnings[0].startswith("colours_corrected: ") and svs.warnings == ()
    assert stain_is_he(dicom.thumbnail, dicom.tissue_mask) is True and dicom.qc.pen_fraction == 0


@pytest.mark.parametrize("name", ["dev_lusc_he3_20x.svs", "dev_ck7p40_ihc_20x.svs", "fix_tcga_cr_7395_ts1_nomag.svs"])
def test_channels_of_real_slides_are_told_apart(slides_dir: Path, name: str):
    with open_slide(slides_dir / name, mpp=0.5) as opened:
        seen = Image.fromarray(render_thumbnail(opened))
    assert judge_channels(np.asarray(seen)) == "rgb"
    assert judge_channels(np.asarray(seen.convert("YCbCr"))) == "ycbcr"
