"""Scanner shift: a pair is judged by the student that never saw its case, and the report says which that was."""

from pathlib import Path

import numpy as np
import pytest

from xmag_train.data.cohort.table import write_rows
from xmag_train.evaluate.report import scanner_table
from xmag_train.evaluate.scanner import read_pairs, scanner_shift
from xmag_train.mil.bags import Bag, write_bag

GLASSES = 6


def tables(root: Path, **columns: list[str]) -> list:
    """Glasses g0 to g5, each on scanners a and b; g0 to g3 in folds 0 and 1 by turns, g4 and g5 in none."""
    slides = [(f"g{i}{scanner}", f"g{i}", "here") for i in range(GLASSES) for scanner in "ab"]
    write_rows(root / "labels.csv", ["slide", "case", "site"], slides)
    write_rows(root / "folds.csv", ["case", "fold"], [(f"g{i}", i % 2) for i in range(4)])
    pairs = [(f"g{i}a", f"g{i}b", *(cells[i] for cells in columns.values())) for i in range(GLASSES)]
    write_rows(root / "pairs.csv", ["slide_a", "slide_b", *columns], pairs)
    return read_pairs(root / "pairs.csv", root / "labels.csv", root / "folds.csv")


def write_pair(folder: Path, glass: int, rng: np.random.Generator, moves: bool) -> None:
    features = rng.normal(size=(3, 64)).astype(np.float32)
    for scanner in "ab":
        write_bag(folder / f"g{glass}{scanner}.h5", Bag(features, np.zeros((3, 2), np.int64)))
        features = rng.normal(size=(3, 64)).astype(np.float32) if moves else features


def test_glass_that_does_not_move(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for glass in range(GLASSES):
        write_pair(tmp_path, glass, rng, moves=False)
    found = scanner_shift("arm", str(tmp_path), tables(tmp_path))
    assert found.same_glass == pytest.approx(1.0, abs=1e-6)
    assert found.other_glass is not None and found.other_glass < 0.5
    assert (found.pairs, found.by_fold, found.by_refit) == (GLASSES, 0, 0)
    assert "| arm | 6 | one encoder for all | 1.000 |" in scanner_table([found])


def test_a_student_is_not_judged_on_what_it_learnt_from(tmp_path: Path) -> None:
    """Every student knows the glasses that it learnt from on both scanners; the one refit on all knows all."""
    rng = np.random.default_rng(0)
    for student in ("0", "1", "all"):
        for glass in range(GLASSES):
            unseen = glass > 3 or student == str(glass % 2)
            write_pair(tmp_path / student, glass, rng, moves=unseen)
    found = scanner_shift("arm", str(tmp_path / "{fold}"), tables(tmp_path))
    assert abs(found.same_glass) < 0.4
    assert scanner_shift("refit", str(tmp_path / "all"), tables(tmp_path)).same_glass > 0.9  # what a leak looks like
    assert (found.by_fold, found.by_refit) == (4, 2)
    assert "4 by their fold's, 2 by the refit on all" in scanner_table([found])


def test_other_glass_is_of_another_case(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for glass in range(GLASSES):
        write_pair(tmp_path, glass, rng, moves=False)
    pairs = tables(tmp_path)
    one_case = [type(pair)(pair.slide_a, pair.slide_b, "c", 0) for pair in pairs]
    assert scanner_shift("arm", str(tmp_path), one_case).other_glass is None


def test_a_pair_whose_case_is_not_known_is_refused(tmp_path: Path) -> None:
    assert [pair.fold for pair in tables(tmp_path)] == [0, 1, 0, 1, None, None]
    with pytest.raises(ValueError, match=r"g0a and g0b are of \['g0', 'other'\]"):
        tables(tmp_path, case=["other"] * GLASSES)
    write_rows(tmp_path / "more.csv", ["slide_a", "slide_b", "case"], [("x", "y", ""), ("g0a", "g0b", "")])
    with pytest.raises(ValueError, match=r"x and y are of no known case\. Give their one case in a column case"):
        read_pairs(tmp_path / "more.csv", tmp_path / "labels.csv", tmp_path / "folds.csv")
    write_rows(tmp_path / "more.csv", ["slide_a", "slide_b", "case"], [("x", "y", "g1"), ("v", "w", "new")])
    found = read_pairs(tmp_path / "more.csv", tmp_path / "labels.csv", tmp_path / "folds.csv")
    assert [pair.fold for pair in found] == [1, None]
    write_rows(tmp_path / "more.csv", ["slide_a", "slide_b", "case"], [("x", "y", "g1")])
    with pytest.raises(ValueError, match="at least two pairs"):
        read_pairs(tmp_path / "more.csv", tmp_path / "labels.csv", tmp_path / "folds.csv")


def test_a_slide_is_no_pair_with_itself(tmp_path: Path) -> None:
    tables(tmp_path)
    write_rows(tmp_path / "more.csv", ["slide_a", "slide_b"], [("g0a", "g0b"), ("g1a", "g1a")])
    with pytest.raises(ValueError, match=r"more\.csv: g1a is paired with itself"):
        read_pairs(tmp_path / "more.csv", tmp_path / "labels.csv", tmp_path / "folds.csv")


def test_two_pairs_do_not_look_alike_only_for_lying_either_side_of_their_mean(tmp_path: Path) -> None:
    """Two glasses, none like any other: less their mean, a glass's slides would lie on one line with the other's."""
    rng = np.random.default_rng(0)
    for glass in range(2):
        write_pair(tmp_path, glass, rng, moves=True)
    found = scanner_shift("arm", str(tmp_path), tables(tmp_path)[:2])
    assert found.other_glass is not None
    assert abs(found.same_glass) < 0.25 and abs(found.other_glass) < 0.25
