"""A case is in one fold with all its slides; the committed folds of the atlas are what the command gives."""

import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from xmag_train.data.cohort.folds import CaseStrata, assign_folds, folds_by_case, inner_folds, strata_of
from xmag_train.data.cohort.table import read_cohort, read_folds, read_rows, write_rows
from xmag_train.data.command import run_folds

ATLAS = Path(__file__).parents[1] / "configs" / "atlas"


def test_rare_class_is_spread_evenly() -> None:
    cases = [CaseStrata(f"c{i}", ("rare" if i < 5 else "common", f"organ{i % 4}"), 1 + i % 3) for i in range(31)]
    folds = assign_folds(cases, 5, seed=3)
    assert Counter(folds[f"c{i}"] for i in range(5)) == Counter(range(5))
    sizes = Counter(folds.values())
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_same_seed_same_folds_whatever_the_order() -> None:
    cases = [CaseStrata(f"c{i}", (str(i % 3),), 1) for i in range(20)]
    assert assign_folds(cases, 4, seed=1) == assign_folds(cases[::-1], 4, seed=1)


def test_slides_of_a_case_share_its_fold_in_the_atlas() -> None:
    cohort = read_cohort(ATLAS / "labels.csv", "malignancy", ["not_malignant", "malignant"])
    folds = read_folds(ATLAS / "folds.csv", cohort)
    assert len(cohort.rows) == 50
    assert set(folds) == set(cohort.cases())
    malignant = Counter(folds[case] for case in {row.case for row in cohort.rows if row.label == 1})
    assert malignant == dict.fromkeys(range(5), 2)


def test_committed_folds_are_what_the_command_gives() -> None:
    rows = read_rows(ATLAS / "labels.csv", ["slide", "case", "group", "organ"])
    known = {row["case"]: int(row["fold"]) for row in read_rows(ATLAS / "folds.csv", ["case", "fold"])}
    assert assign_folds(strata_of(rows, ["group", "organ"]), 5, seed=0) == known


def test_a_case_named_twice_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "labels.csv", ["slide", "case", "site", "t"], [("a", "c", "s", "x"), ("b", "d", "s", "y")])
    cohort = read_cohort(tmp_path / "labels.csv", "t", ["x", "y"])
    write_rows(tmp_path / "folds.csv", ["case", "fold"], [("c", 0), ("c", 1), ("d", 1)])
    with pytest.raises(ValueError, match="case c twice"):
        read_folds(tmp_path / "folds.csv", cohort)
    write_rows(tmp_path / "folds.csv", ["case", "fold"], [("c", 0)])
    with pytest.raises(ValueError, match="no fold for"):
        read_folds(tmp_path / "folds.csv", cohort)


def test_unknown_labels_are_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "labels.csv", ["slide", "case", "site", "t"], [("a", "c", "s", "x"), ("b", "d", "s", "z")])
    with pytest.raises(ValueError, match="'z', which is none of"):
        read_cohort(tmp_path / "labels.csv", "t", ["x", "y"])


def test_a_case_whose_slides_differ_is_spread_by_all_that_they_say() -> None:
    rows = [("c1", "high", "liver"), ("c2", "low", ""), ("c1", "low", "liver"), ("c2", "", "lung"), ("c3", "", "")]
    found = strata_of([dict(zip(("case", "grade", "organ"), row, strict=True)) for row in rows], ["grade", "organ"])
    assert found == [
        CaseStrata("c1", ("high+low", "liver"), 2),
        CaseStrata("c2", ("low", "lung"), 2),
        CaseStrata("c3", ("", ""), 1),
    ]


def test_the_command_takes_a_case_of_two_labels_and_counts_it_as_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("a", "c1", "x"), ("b", "c1", "y"), ("d", "c2", "x"), ("e", "c3", "x"), ("f", "c4", "x")]
    write_rows(tmp_path / "labels.csv", ["slide", "case", "t"], rows)
    run_folds(tmp_path / "labels.csv", ["t"], 2, 0, tmp_path / "folds.csv")
    told = capsys.readouterr().out.splitlines()
    assert told == ["fold 0: 3 slides; cases: 1 x, 1 x+y", "fold 1: 2 slides; cases: 2 x"]
    assert len(read_rows(tmp_path / "folds.csv", ["case", "fold"])) == 4
    with pytest.raises(FileExistsError, match="folds are chosen once"):
        run_folds(tmp_path / "labels.csv", ["t"], 2, 1, tmp_path / "folds.csv")


def test_slides_of_a_case_are_in_one_fold_by_their_classes() -> None:
    cases = [f"c{i // 2}" for i in range(40)]
    labels = [int(i // 2 < 4) for i in range(40)]
    folds = folds_by_case(cases, labels, 4, seed=0)
    assert sorted(folds[f"c{i}"] for i in range(4)) == [0, 1, 2, 3]
    assert Counter(folds.values()) == dict.fromkeys(range(4), 5)


def test_inner_folds_are_fewer_where_cases_are_few_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(inner_folds(["a", "b", "c", "d"], [0, 1, 0, 1], 4, seed=0).values()) == {0, 1, 2, 3}
    assert capsys.readouterr().err == ""
    assert set(inner_folds(["a", "b", "c", "d"], [0, 1, 0, 1], 9, seed=0).values()) == {0, 1, 2, 3}
    assert capsys.readouterr().err.startswith("4 inner folds, not 9")
    with pytest.raises(ValueError, match=r"need two cases of each class.*\(1, 1\)"):
        inner_folds(["a", "b", "c", "d", "d"], [0, 0, 0, 1, 1], 3, seed=0)


def test_a_spreadsheets_table_is_read_as_it_is_meant(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    text = "slide, case ,site,t\r\na,P17 ,s,x\r\n b ,P17,s, y\r\n\r\nc,P18,s, \r\n"
    table.write_text(text, encoding="utf-8-sig", newline="")  # as Excel's "CSV UTF-8"
    cohort = read_cohort(table, "t", ["x", "y"])
    assert [(row.slide, row.case, row.label) for row in cohort.rows] == [("a", "P17", 0), ("b", "P17", 1)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("b,,s,x", "labels.csv, line 3: the case is empty"),
        (" , ,s,x", "the slide and the case is empty"),
        ("b,c", "2 cells"),
    ],
)
def test_a_row_without_slide_or_case_is_refused(line: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(f"slide,case,site,t\na,c,s,x\n{line}\n")
    with pytest.raises(ValueError, match=why):
        read_cohort(tmp_path / "labels.csv", "t", ["x"])


def test_a_table_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("slide,case\na,Müller\n", encoding="cp1252")
    with pytest.raises(ValueError, match=r"labels\.csv is not in UTF-8: save it as “CSV UTF-8”"):
        read_rows(tmp_path / "labels.csv", ["slide", "case"])


def test_letters_are_composed_but_for_those_of_a_path(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Müller")
    (tmp_path / "t.csv").write_text(f"path,case\n{name},{name}\n", encoding="utf-8")
    assert read_rows(tmp_path / "t.csv", ["case"]) == [{"path": name, "case": "Müller"}]
