"""Retrieval figures on points whose neighbours are plain to see."""

import math
import tracemalloc

import numpy as np
import pytest

from xmag_train.metrics import retrieval
from xmag_train.metrics.retrieval import (
    agreement_rows,
    cosine_ranking,
    neighbour_agreement,
    same_case_nearest,
    same_case_rows,
    same_organ_rows,
)


def at_degrees(*angles: float) -> np.ndarray:
    return np.array([[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in angles])


def test_nothing_is_its_own_neighbour_and_length_does_not_matter() -> None:
    points = at_degrees(0, 10, 30) * np.array([[1.0], [50.0], [0.1]])
    assert cosine_ranking(points, 2).tolist() == cosine_ranking(points, 9).tolist() == [[1, 2], [0, 2], [1, 0]]
    assert cosine_ranking(points, 1).tolist() == [[1], [0], [1]]


def test_same_case_leaves_out_cases_of_one_region() -> None:
    points = at_degrees(0, 10, 50, 57, 5)
    # nearest: 0→4, 1→4, 2→3, 3→2, 4→0 or 1; the fifth is alone in its case and counts for nothing
    assert same_case_nearest(points, ["a", "a", "b", "b", "c"]) == pytest.approx(0.5)


def test_agreement_is_the_share_of_common_neighbours() -> None:
    points = at_degrees(0, 10, 30, 70)
    assert neighbour_agreement(points, points, 2) == 1.0
    moved = at_degrees(0, 10, 30, 11)
    # nearest two: of 0 {1,2} {1,3}; of 1 {0,2} {0,3}; of 2 {0,1} {1,3}; of 3 {1,2} {0,1}
    assert neighbour_agreement(moved, points, 2) == pytest.approx(0.5)


def test_same_organ_looks_at_other_cases_only() -> None:
    points = at_degrees(0, 1, 20, 60)
    cases, organs = ["a", "a", "b", "c"], ["liver", "liver", "liver", "colon"]
    np.testing.assert_array_equal(same_organ_rows(points, organs, cases), [1, 1, 1, np.nan])  # colon: no other case
    assert np.isnan(same_organ_rows(points, ["w", "w", "y", "z"], cases)).all()


def test_an_organ_that_is_not_stated_is_neither_asked_for_nor_found() -> None:
    points = at_degrees(0, 20, 21, 90)
    cases = ["a", "b", "c", "d"]
    stated = same_organ_rows(points, ["liver", "liver", "site not stated", "colon"], cases)
    np.testing.assert_array_equal(stated, [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(
        same_organ_rows(points, ["liver", "liver", "", "colon"], cases), [1, 1, np.nan, np.nan]
    )
    assert np.isnan(same_organ_rows(points, ["", "", "liver", "colon"], cases)).all()


def test_one_region_is_too_few() -> None:
    with pytest.raises(ValueError, match="two regions"):
        same_case_nearest(at_degrees(0), ["a"])


def test_rows_are_the_same_in_whatever_blocks_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    mine, theirs = rng.normal(size=(50, 4)), rng.normal(size=(50, 6))
    cases, organs = [f"c{i // 3}" for i in range(50)], [("liver", "lung", "")[i // 3 % 3] for i in range(50)]

    def figures() -> list[np.ndarray]:
        return [same_case_rows(mine, cases), same_organ_rows(mine, organs, cases), agreement_rows(mine, theirs)]

    whole = figures()
    monkeypatch.setattr(retrieval, "BLOCK_ROWS", 7)
    for before, after in zip(whole, figures(), strict=True):
        np.testing.assert_array_equal(after, before)


def test_memory_does_not_grow_with_the_square_of_the_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "BLOCK_ROWS", 64)
    regions = 4000
    points, cases = np.random.default_rng(0).normal(size=(regions, 3)), [str(i // 9) for i in range(regions)]
    tracemalloc.start()
    same_case_rows(points, cases)
    same_organ_rows(points, cases, cases)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < regions**2  # a byte a pair; their cosines alone would be eight
