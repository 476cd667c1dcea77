import numpy as np
import pytest

from app.slides.tissue.regions import close, dilate, erode, fill_small_holes, find_regions, keep_large


def flood(mask):
    """The obvious way: labels by flood fill, in order of the first pixel."""
    labels = np.full(mask.shape, -1)
    count = 0
    for y, x in zip(*np.nonzero(mask), strict=True):
        if labels[y, x] >= 0:
            continue
        stack = [(y, x)]
        labels[y, x] = count
        while stack:
            row, column = stack.pop()
            for j in range(max(row - 1, 0), min(row + 2, mask.shape[0])):
                for i in range(max(column - 1, 0), min(column + 2, mask.shape[1])):
                    if mask[j, i] and labels[j, i] < 0:
                        labels[j, i] = count
                        stack.append((j, i))
        count += 1
    return labels, count


@pytest.mark.parametrize("density", [0.0, 0.1, 0.3, 0.42, 0.7, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (37, 53)])
def test_regions_are_those_of_a_flood_fill(density, shape):
    rng = np.random.default_rng(7)
    mask, marked = rng.random(shape) < density, rng.random(shape) < 0.5
    labels, count = flood(mask)
    regions = find_regions(mask)
    assert regions.count == count
    each = [labels == number for number in range(count)]
    assert regions.areas().tolist() == [int(one.sum()) for one in each]
    assert regions.counts(marked).tolist() == [int((one & marked).sum()) for one in each]
    boxes = []
    for one in each:
        rows, columns = np.nonzero(one)
        boxes.append([int(edge) for edge in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)])
    assert regions.boxes().tolist() == boxes
    edge = np.ones(shape, bool)
    edge[1:-1, 1:-1] = False
    assert regions.touch_edge().tolist() == [bool((one & edge).any()) for one in each]
    keep = rng.random(count) < 0.5
    assert np.array_equal(regions.mask(keep), np.isin(labels, np.flatnonzero(keep)) & mask)


def test_a_spiral_is_one_region():
    mask = np.zeros((41, 41), bool)
    y = x = 20
    step_y, step_x, length = 0, 1, 2
    while length <= 38:
        for _ in range(2):
            for _ in range(length):
                mask[y, x] = True
                y, x = y + step_y, x + step_x
            step_y, step_x = step_x, -step_y
        length += 2
    assert find_regions(mask).count == 1


def test_small_regions_go_and_small_holes_close_but_not_notches_at_the_edge():
    mask = np.zeros((20, 20), bool)
    mask[2:12, 0:12] = True
    mask[5:7, 5:7] = mask[8, 0] = False
    mask[15, 15] = True
    cleaned = fill_small_holes(keep_large(mask, 2), 4)
    expected = np.zeros((20, 20), bool)
    expected[2:12, 0:12] = True
    expected[8, 0] = False
    assert np.array_equal(cleaned, expected)


def test_dilate_erode_and_close_are_squares():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert dilate(mask, 2)[2:7, 2:7].all()
    assert dilate(mask, 2).sum() == 25
    assert np.array_equal(erode(dilate(mask, 2), 2), mask)
    mask[4, 7] = True
    assert close(mask, 1)[4, 4:8].all()
    assert erode(np.ones((3, 3), bool), 5).all()
