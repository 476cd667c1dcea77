"""Tables with a header, such as labels.csv and folds.csv, read and checked."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xmag_train.files import write_text

IDENTIFIERS = ("path", "slide", "case")
PATHS = ("path", "file")
"""Columns that a file system must find again, letter by letter."""


@dataclass(frozen=True)
class SlideRow:
    """One slide of a task; ``label`` is an index into ``Cohort.labels``."""

    slide: str
    case: str
    site: str
    label: int


@dataclass(frozen=True)
class Cohort:
    """The slides that have a label for ``task``, in the order of the file; ``labels`` name the classes."""

    task: str
    labels: tuple[str, ...]
    rows: tuple[SlideRow, ...]

    def cases(self) -> list[str]:
        """Every case once, in the order of the file."""
        return list(dict.fromkeys(row.case for row in self.rows))


def read_rows(path: Path, needed: Sequence[str], delimiter: str = ",") -> list[dict[str, str]]:
    """Rows of a CSV file with a header, as a spreadsheet writes it too; blanks around a cell are no part of it.

    A row of blanks is none. Letters are composed (NFC), but for ``PATHS``. ValueError if the file is not in UTF-8,
    lacks a column or holds no row. Also if a path, slide or case that is ``needed`` is empty, or a row has more or
    fewer cells than the header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not in UTF-8: save it as “CSV UTF-8”") from error
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [name.strip() for name in next(lines, [])]
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(f"{path.name} lacks the columns {missing}; it has {names}")
    rows = []
    for cells in lines:
        if not any(map(str.strip, cells)):
            continue
        if len(cells) != len(names):
            raise ValueError(f"{path.name}, line {lines.line_num}: {len(cells)} cells, the header has {len(names)}")
        row = {name: _cell(name, cell) for name, cell in zip(names, cells, strict=True)}
        empty = [name for name in IDENTIFIERS if name in needed and not row[name]]
        if empty:
            raise ValueError(f"{path.name}, line {lines.line_num}: the {' and the '.join(empty)} is empty")
        rows.append(row)
    if not rows:
        raise ValueError(f"{path.name} holds no rows")
    return rows


def read_cohort(path: Path, task: str, labels: Sequence[str]) -> Cohort:
    """labels.csv (slide, case, site, one column per task) → the cohort of one task.

    A slide whose cell is empty is not in the task. ValueError for a label that is not in ``labels``, a slide named
    twice, or a class without a slide.
    """
    found: dict[str, SlideRow] = {}
    for row in read_rows(path, ["slide", "case", "site", task]):
        if not row[task]:
            continue
        if row[task] not in labels:
            raise ValueError(f"{path.name}: {row['slide']} is {row[task]!r}, which is none of {list(labels)}")
        if row["slide"] in found:
            raise ValueError(f"{path.name} names the slide {row['slide']} twice")
        found[row["slide"]] = SlideRow(row["slide"], row["case"], row["site"], list(labels).index(row[task]))
    empty = [name for index, name in enumerate(labels) if all(row.label != index for row in found.values())]
    if empty:
        raise ValueError(f"{path.name}: no slide of {task} is {empty}")
    return Cohort(task, tuple(labels), tuple(found.values()))


def fold_of_cases(path: Path, needed: Iterable[str] = ()) -> dict[str, int]:
    """folds.csv (case, fold) → case → fold, of every row.

    ValueError if a case is named twice, or one that is ``needed`` is missing.
    """
    folds: dict[str, int] = {}
    for row in read_rows(path, ["case", "fold"]):
        if row["case"] in folds:
            raise ValueError(f"{path.name} names the case {row['case']} twice")
        folds[row["case"]] = int(row["fold"])
    missing = sorted(set(needed) - folds.keys())
    if missing:
        raise ValueError(f"{path.name} has no fold for {missing[:5]}")
    return folds


def read_folds(path: Path, cohort: Cohort) -> dict[str, int]:
    """Case → fold, of the cohort's cases. ValueError if a case is named twice or a case of the cohort is missing."""
    folds = fold_of_cases(path, cohort.cases())
    return {case: folds[case] for case in cohort.cases()}


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _cell(name: str, cell: str) -> str:
    return cell.strip() if name in PATHS else unicodedata.normalize("NFC", cell.strip())
