"""`xmag-train atlas-labels` and `xmag-train folds`."""

from collections import Counter
from pathlib import Path

import typer

from xmag_train.data.cohort.atlas import write_atlas_labels
from xmag_train.data.cohort.folds import assign_folds, strata_of
from xmag_train.data.cohort.table import read_rows, write_rows


def run_atlas_labels(atlas: Path, out: Path) -> None:
    """Write labels.csv of the atlas."""
    typer.echo(f"{out}: {write_atlas_labels(atlas, out)} slides")


def run_folds(labels: Path, strata: list[str], folds: int, seed: int, out: Path) -> None:
    """Write folds.csv, and say what each fold holds. FileExistsError where it is there: folds are chosen once."""
    if out.exists():
        raise FileExistsError(f"{out} is there, and folds are chosen once: name another file, or erase it")
    rows = read_rows(labels, ["slide", "case", *strata])
    cases = strata_of(rows, strata)
    chosen = assign_folds(cases, folds, seed)
    write_rows(out, ["case", "fold"], sorted(chosen.items()))
    for fold in range(folds):
        inside = [case for case in cases if chosen[case.case] == fold]
        first = Counter(case.strata[0] for case in inside)
        told = ", ".join(f"{count} {name}" for name, count in sorted(first.items()))
        typer.echo(f"fold {fold}: {sum(case.slides for case in inside)} slides; cases: {told}")
