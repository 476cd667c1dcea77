"""labels.csv and folds.csv, read and checked."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xmag_train.write import write_text


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

    def of_cases(self, cases: Iterable[str]) -> tuple[SlideRow, ...]:
        """The slides of these cases."""
        wanted = set(cases)
        return tuple(row for row in self.rows if row.case in wanted)


def read_rows(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV file with a header. ValueError where it lacks a column or holds no row."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path.name} lacks the columns {missing}; it has {reader.fieldnames}")
        rows = list(reader)
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


def fold_of_cases(path: Path) -> dict[str, int]:
    """folds.csv (case, fold) → case → fold, of every row. ValueError if a case is named twice."""
    folds: dict[str, int] = {}
    for row in read_rows(path, ["case", "fold"]):
        if row["case"] in folds:
            raise ValueError(f"{path.name} names the case {row['case']} twice")
        folds[row["case"]] = int(row["fold"])
    return folds


def read_folds(path: Path, cohort: Cohort) -> dict[str, int]:
    """Case → fold, of the cohort's cases. ValueError if a case is named twice or a case of the cohort is missing."""
    folds = fold_of_cases(path)
    missing = [case for case in cohort.cases() if case not in folds]
    if missing:
        raise ValueError(f"{path.name} has no fold for {missing[:5]}")
    return {case: folds[case] for case in cohort.cases()}


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
