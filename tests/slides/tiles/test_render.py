"""A ruler as the oracle: edges at known micrometres must lie at the right place of the right tile."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from app.errors import SlideCorruptError
from app.slides.formats.finding import FoundSlide
from app.slides.formats.levels.level import choose_level
from app.slides.formats.opening import OpenedSlide, open_slide
from app.slides.tiles.grid import grid_for
from app.slides.tiles.render import render_tile
from app.slides.types import ReadingPlan
from tests.slides.make_slide import write_svs

SPACING_UM = 137.3
DARK, BRIGHT = 60, 190  # so that LANCZOS overshoots without being clipped
PLAN = ReadingPlan()


def ruler(length_px: int, mpp: float) -> np.ndarray:
    """One line of pixels: dark and bright bars by turns, edges every 137.3 µm, each pixel the mean over its area."""
    at_um = np.arange(length_px + 1) * mpp
    bar, rest = np.divmod(at_um, SPACING_UM)
    bright_um = (bar // 2) * SPACING_UM + np.where(bar % 2 == 1, rest, 0)  # bright length from 0 to here
    share = np.diff(bright_um) / mpp
    return DARK + (BRIGHT - DARK) * share


def ruler_slide(path, length_px: int, mpp: float, axis: int, **how):
    line = (ruler(length_px, mpp) + 0.5).astype(np.uint8)
    across = np.broadcast_to(line[None, :, None], (round(260 / mpp), length_px, 3))
    return write_svs(path, across if axis == 0 else across.transpose(1, 0, 2), mpp, **how)


def edge_errors_px(tile: np.ndarray, x0: int, mpp: float, axis: int) -> list[float]:
    """How far (5x px) every edge inside the tile lies from where it belongs; ±12 px around it must be on the tile."""
    profile = tile[100, :, 1] if axis == 0 else tile[:, 100, 1]
    profile = profile.astype(float)
    errors = []
    for number in range(1, 10_000):
        expected = (number * SPACING_UM - x0 * mpp) / 2.0
        low, high = int(expected) - 12, int(expected) + 12
        if low < 0:
            continue
        if high > 224:
            return errors
        share = (profile[low:high] - DARK) / (BRIGHT - DARK)
        found = low + (np.sum(1 - share) if number % 2 == 1 else np.sum(share))
        errors.append(found - expected)
    return errors


@pytest.mark.parametrize("axis", [0, 1], ids=["x", "y"])
@pytest.mark.parametrize("mpp", [0.25, 0.2630, 0.3612, 0.5056])
def test_ruler_edges_land_where_they_belong(tmp_path, mpp, axis):
    length_px = 12_007 if mpp < 0.4 else 8_007  # 12007 / 4 is cut to 3001: OpenSlide says 4.0003 to 4.002
    errors, seen = [], 0
    with open_slide(ruler_slide(tmp_path / "ruler.svs", length_px, mpp, axis, compression="raw")) as opened:
        level = choose_level(opened.info, 2.0)
        grid = grid_for(opened.info, PLAN)
        for start in grid.x0 if axis == 0 else grid.y0:
            x0, y0 = (int(start), 0) if axis == 0 else (0, int(start))
            tile = render_tile(opened, PLAN, level, x0, y0)
            inside = edge_errors_px(tile, int(start), mpp, axis)
            end_px = (length_px - start) * mpp / 2.0
            errors += [error for error in inside if end_px > 224]
            seen += len(inside)
    assert seen >= 15
    assert np.abs(errors).max() < 0.05, "the contract is 0.25 px of 5x"


def test_jpeg_and_the_box_filter_keep_the_ruler(tmp_path):
    with open_slide(ruler_slide(tmp_path / "ruler.svs", 7_001, 0.2630, 0)) as opened:
        plan = ReadingPlan(resample_filter="box")
        tile = render_tile(opened, plan, 1, int(grid_for(opened.info, plan).x0[2]), 0)
        errors = edge_errors_px(tile, int(grid_for(opened.info, plan).x0[2]), 0.2630, 0)
    assert len(errors) >= 2 and np.abs(errors).max() < 0.25


def test_the_last_row_and_column_are_padded_with_white(tmp_path):
    pixels = np.full((1_500, 2_300, 3), 90, np.uint8)
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.25, compression="raw")) as opened:
        tile = render_tile(opened, PLAN, choose_level(opened.info, 2.0), 1_792, 0)
    right, bottom = (2_300 - 1_792) * 0.25 / 2, 1_500 * 0.25 / 2  # 63.5 and 187.5 px
    assert (tile[:, int(right) + 5 :] == 255).all() and (tile[int(bottom) + 5 :] == 255).all()
    assert (tile[: int(bottom) - 4, : int(right) - 4] == 90).all()


def test_a_uniform_slide_gives_uniform_tiles_at_any_ratio(tmp_path):
    """Where OpenSlide interpolates across the border of two of its tiles, rounding may cost 1, no more."""
    pixels = np.full((2_403, 5_207, 3), (200, 120, 160), np.uint8)
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.2630, compression="raw")) as opened:
        assert opened.slide.level_downsamples[1] != opened.info.levels[1].downsample == 4.0
        for x0, y0 in [(0, 0), (1_703, 0), (1_703, 601), (3_407, 601)]:
            tile = render_tile(opened, PLAN, 1, x0, y0).astype(int)
            assert np.abs(tile - (200, 120, 160)).max() <= 1


def test_level_zero_at_two_micrometres_is_read_as_it_is(tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (448, 448, 3), dtype=np.uint8)
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 2.0, compression="raw")) as opened:
        assert np.array_equal(render_tile(opened, PLAN, 0, 224, 224), pixels[224:, 224:])


def test_a_tile_that_cannot_be_decoded_is_an_error_and_never_white(tmp_path):
    path = write_svs(tmp_path / "s.svs", np.random.default_rng(3).integers(0, 256, (900, 900, 3), dtype=np.uint8), 1.0)
    data = bytearray(path.read_bytes())
    second = data.index(b"\xff\xd8", data.index(b"\xff\xd8") + 2)  # the second tile's JPEG
    data[second : second + 400] = bytes(400)
    path.write_bytes(data)
    with open_slide(path) as opened, pytest.raises(SlideCorruptError, match="cannot be decoded"):
        render_tile(opened, PLAN, 0, 0, 0)


def test_transparent_pixels_take_the_background_and_the_outside_is_white(tmp_path):
    """Alpha comes from OpenSlide, which no format made here can give: a slide stands in for it."""

    class HalfTransparent:
        level_downsamples = (1.0,)
        level_dimensions = ((300, 300),)

        def read_region(self, location, level, size):
            image = Image.new("RGBA", size, (0, 0, 0, 0))
            inside = [max(0, 300 - location[axis]) for axis in (0, 1)]
            image.paste((100, 50, 0, 128), (0, 0, min(size[0], 100), min(size[1], inside[1])))
            return image

    path = write_svs(tmp_path / "s.svs", np.zeros((300, 300, 3), np.uint8), 2.0, compression="raw")
    with open_slide(path) as opened:
        info = dataclasses.replace(opened.info, background=(200, 210, 220))
        tile = render_tile(OpenedSlide(HalfTransparent(), info, FoundSlide(path, (path,))), PLAN, 0, 0, 0)
        beyond = render_tile(OpenedSlide(HalfTransparent(), info, FoundSlide(path, (path,))), PLAN, 0, 224, 224)
    assert np.abs(tile[10, 10].astype(int) - (150, 130, 110)).max() <= 1
    assert tile[10, 150].tolist() == [200, 210, 220]
    assert beyond[150, 150].tolist() == [255, 255, 255] and beyond[10, 70].tolist() != [255, 255, 255]
