import numpy as np
import pytest

from app.errors import SlideCorruptError
from app.slides.tiles.grid import cell_size, make_grid, select_tiles, tissue_fractions


@pytest.mark.parametrize("mpp", [0.25, 0.2630, 0.3612, 0.5056])
def test_tiles_start_at_the_rounded_product(mpp):
    grid = make_grid(50_001, 40_003, mpp)
    assert grid.x0.tolist() == [round(i * 448 / mpp) for i in range(len(grid.x0))]
    assert grid.x0[-1] < 50_001 <= round(len(grid.x0) * 448 / mpp)
    assert grid.y0[-1] < 40_003 <= round(len(grid.y0) * 448 / mpp)


def test_the_last_tile_starts_before_the_edge_and_never_on_it():
    assert make_grid(1792, 1793, 0.25).x0.tolist() == [0]
    assert make_grid(1792, 1793, 0.25).y0.tolist() == [0, 1792]


def test_a_slide_larger_than_glass_is_refused():
    with pytest.raises(SlideCorruptError):
        make_grid(1_000_000, 1_000_000, 2.0)


def test_the_largest_glass_fits_and_three_of_it_do_not():
    assert 37_000 < make_grid(300_000, 400_000, 0.25).tiles < 38_000  # 75 × 100 mm
    with pytest.raises(SlideCorruptError, match="larger than any glass"):
        make_grid(600_000, 600_000, 0.25)


def test_coords_are_row_major_xy():
    grid = make_grid(4000, 4000, 0.25)
    assert grid.coords(np.array([0, 1, 2, 3, 8])).tolist() == [[0, 0], [1792, 0], [3584, 0], [0, 1792], [3584, 3584]]


def test_fractions_are_areas_also_where_edges_cut_mask_pixels():
    """Against counting on a mask that is enlarged until tile edges are whole pixels."""
    width, height, mpp = 6_000, 5_000, 0.56  # a tile is exactly 800 px
    rng = np.random.default_rng(1)
    mask = rng.random((50, 75)) < 0.4  # 80 × 100 level-0 px per mask px: 10 × 8 to a tile
    mask[:, 40:] &= rng.random((50, 35)) < 0.1
    narrow = rng.random((47, 71)) < 0.5  # no edge fits
    grid = make_grid(width, height, mpp)
    full = np.kron(mask, np.ones((100, 80)))
    for small, large in ((mask, full), (narrow, _enlarged(narrow, width, height))):
        expected = [[large[y : y + 800, x : x + 800].sum() / 800**2 for x in grid.x0] for y in grid.y0]
        np.testing.assert_allclose(tissue_fractions(small, width, height, grid), expected, atol=1e-6)


def _enlarged(mask, width, height):
    """Each level-0 px as the area of the mask under it."""

    def shares(count, extent):
        edges = np.arange(extent + 1) * count / extent
        low, high = edges[:-1, None], edges[1:, None]
        cells = np.arange(count)[None, :]
        return np.clip(np.minimum(high, cells + 1) - np.maximum(low, cells), 0, None) * extent / count

    return shares(mask.shape[0], height) @ mask @ shares(mask.shape[1], width).T


def test_what_reaches_beyond_the_slide_is_no_tissue():
    grid = make_grid(2_688, 1_792, 0.25)  # one tile and a half
    assert tissue_fractions(np.ones((10, 15), bool), 2_688, 1_792, grid).tolist() == [[1.0, 0.5]]


def test_tiles_at_the_threshold_are_kept_in_reading_order():
    fractions = np.array([[0.0, 0.10, 0.5], [0.0999, 1.0, 0.0]], np.float32)
    chosen = select_tiles(fractions, 0.10)
    assert chosen.indices.tolist() == [1, 2, 4]
    assert chosen.fractions.tolist() == pytest.approx([0.1, 0.5, 1.0])
    assert chosen.warnings == ()


def test_tiny_tissue_keeps_the_fullest_tiles_and_says_so():
    fractions = np.array([[0.01, 0.0, 0.02, 0.03], [0.04, 0.05, 0.0, 0.0]], np.float32)
    chosen = select_tiles(fractions, 0.10)
    assert chosen.indices.tolist() == [2, 3, 4, 5]
    assert len(chosen.warnings) == 1 and chosen.warnings[0].startswith("tiles_below_tissue_min: no tile holds 10 %")
    assert select_tiles(np.array([[0.0, 0.02]], np.float32), 0.10).indices.tolist() == [1]


def test_no_tissue_keeps_nothing_and_warns_of_nothing():
    chosen = select_tiles(np.zeros((3, 4), np.float32), 0.10)
    assert len(chosen.indices) == 0 and chosen.warnings == ()


def titan_cells(starts: np.ndarray, cell: int) -> list[int]:
    """Grid positions as TITAN counts them: coordinates from the first one on, divided and rounded down."""
    return ((starts - starts.min()) // cell).tolist()


@pytest.mark.parametrize("tile_px, tile_mpp", [(224, 2.0), (896, 0.5), (224, 0.5)])
def test_division_by_the_cell_size_gives_each_tile_its_own_cell(tile_px, tile_mpp):
    mpps = np.concatenate([np.linspace(0.1, 2.0, 4_000), [0.14, 0.28, 0.56, 1.12, 0.499, 0.526, 0.2277, 0.5023]])
    for mpp in mpps.tolist():
        grid = make_grid(round(80_000 / mpp), 1, mpp, tile_px, tile_mpp)
        cell = cell_size(grid.tile_size0)
        assert grid.tile_size0 - 1 < cell <= grid.tile_size0 + 1e-6, mpp
        for first in (0, 1, 7):
            cells = titan_cells(grid.x0[first:], cell)
            assert len(set(cells)) == len(cells), mpp
            if tile_px * tile_mpp == 448:  # and none is left empty: the cells are the grid's columns
                assert cells == list(range(len(cells))), mpp
