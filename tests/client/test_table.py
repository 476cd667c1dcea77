"""The table of a batch: safe in a spreadsheet, and honest about each score."""

import csv

import pytest

from app.client.table import Row, inert, said, write_csv

PREDICTION = {
    "task": "malignancy",
    "probabilities": {"malignant": 0.869, "not_malignant": 0.131},
    "kind": "score_uncalibrated",
    "trained": True,
    "validated": False,
    "in_domain": True,
    "is_meaningful": True,
}


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1).svs", "'=HYPERLINK(1).svs"),
        ("@a", "'@a"),
        ("+1 a", "'+1 a"),
        ("-a.svs", "'-a.svs"),
        ("\t=1", "'\t=1"),
        ("＝1+1", "'＝1+1"),
        ("-0.25", "-0.25"),
        ("S26-1.svs", "S26-1.svs"),
        ("", ""),
    ],
)
def test_no_cell_is_run_as_a_formula(tmp_path, text, cell):
    assert inert(text) == cell
    write_csv([Row(text, "", "refused", "not_a_slide", text)], tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["message"]) == (cell, cell)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "malignancy: malignant (uncalibrated score 0.869, not validated)"),
        (
            {"kind": "probability", "validated": True},
            "malignancy: malignant (probability 0.869)",
        ),
        (
            {"in_domain": False, "is_meaningful": True},
            "malignancy: malignant (uncalibrated score 0.869, not validated, less certain for this slide)",
        ),
        (
            {"in_domain": False, "is_meaningful": False, "trained": False},
            "malignancy: malignant (uncalibrated score 0.869, untrained, not valid for this slide)",
        ),
    ],
)
def test_a_score_comes_with_its_reservations(changes, words):
    row = Row("a.svs", "id", "succeeded", "", "", {"predictions": [PREDICTION | changes]})
    assert said(row) == words
