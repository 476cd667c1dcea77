import numpy as np
import pytest

from app.results.pictures.tile_frame import TileIndex, tile_corners, tile_index


def numbers(index: TileIndex) -> np.ndarray:
    """The tile of each pixel, -1 where none."""
    return index.spread(np.append(np.arange(index.grid.max() + 1), -1))


def test_tiles_end_where_the_next_rounded_start_lies() -> None:
    # 448 / 0.526 = 851.711…: starts 0, 852, 1703, 2555
    corners = tile_corners(np.array([[0, 0], [852, 0], [1703, 2555]]), 448 / 0.526)
    assert corners.tolist() == [[0, 0, 852, 852], [852, 0, 1703, 852], [1703, 2555, 2555, 3407]]


@pytest.mark.parametrize("mpp", [0.2303, 0.25, 0.263, 0.3612, 0.5056, 0.526, 1.0, 2.0])
def test_squares_neither_gap_nor_overlap_far_out(mpp: float) -> None:
    size0 = 448 / mpp
    starts = np.rint(np.arange(400) * size0).astype(np.int64)
    corners = tile_corners(np.stack([starts, starts], axis=1), size0)
    assert (corners[:-1, 2] == corners[1:, 0]).all()
    assert (corners[:-1, 3] == corners[1:, 1]).all()
    assert set(np.unique(corners[:, 2] - corners[:, 0])) <= {int(size0), int(size0) + 1}


def test_picture_pixels_belong_to_the_tile_that_holds_their_centre() -> None:
    coords = np.array([[100, 0], [0, 100], [200, 100]])
    index = tile_index(coords, 100.0, slide_size=(300, 200), picture_size=(6, 4))
    assert numbers(index).tolist() == [
        [-1, -1, 0, 0, -1, -1],
        [-1, -1, 0, 0, -1, -1],
        [1, 1, -1, -1, 2, 2],
        [1, 1, -1, -1, 2, 2],
    ]


def test_picture_larger_than_the_slide_shows_exact_edges() -> None:
    coords = np.array([[0, 0], [852, 0]])
    index = tile_index(coords, 448 / 0.526, slide_size=(1703, 852), picture_size=(1703, 852))
    assert (numbers(index)[:, :852] == 0).all()
    assert (numbers(index)[:, 852:] == 1).all()


def test_a_last_column_that_no_pixel_centre_reaches_is_no_error() -> None:
    coords = np.array([[0, 0], [1000, 0]])
    index = tile_index(coords, 1000.0, slide_size=(1001, 1000), picture_size=(10, 10))
    assert (numbers(index) == 0).all()


def test_edges_lie_where_another_tile_or_none_follows() -> None:
    chosen = np.random.default_rng(4).permutation(80)[:50]
    coords = np.stack([chosen % 10, chosen // 10], axis=1) * 100
    index = tile_index(coords, 100.0, slide_size=(1000, 800), picture_size=(70, 53))
    of = numbers(index)
    wanted = np.zeros(of.shape, np.bool_)
    wanted[:, :-1] = of[:, 1:] != of[:, :-1]
    wanted[:-1] |= of[1:] != of[:-1]
    assert (index.inside() == (of >= 0)).all()
    assert (index.edges() == (wanted & (of >= 0))).all()
    assert 0 < index.edges().sum() < index.inside().sum()
    assert (numbers(index.part(slice(10, 31))) == of[10:31]).all()
