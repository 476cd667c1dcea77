"""`xmag-train curate`, `xmag-train atlas-labels` and `xmag-train folds`."""

from collections import Counter
from pathlib import Path

import typer

from xmag_train.data.atlas import import_atlas, write_atlas_labels
from xmag_train.data.cohort.folds import assign_folds, strata_of
from xmag_train.data.cohort.table import read_rows, write_rows
from xmag_train.data.config import CurateConfig
from xmag_train.data.curate import curate


def run_curate(out: Path, atlas: Path | None, config: Path | None) -> None:
    """Import ``atlas``, or cut regions from the slides that ``config`` names; exactly one of them.

    Ends with status 1 when no slide gave a region.
    """
    if (atlas is None) == (config is None):
        raise typer.BadParameter("give either --atlas or --config")
    if atlas is not None:
        imported = import_atlas(atlas, out)
        for path in imported.shards:
            typer.echo(path)
        for key in imported.duplicates:
            typer.echo(f"left out {key}: too like another region of its case", err=True)
    if config is not None:
        outcomes = curate(CurateConfig.read(config), out)
        for outcome in outcomes:
            if outcome.error is not None:
                typer.echo(f"skipped {outcome.slide}: {outcome.error}", err=True)
        regions = sum(outcome.regions for outcome in outcomes)
        typer.echo(f"{out}: {regions} regions of {len(outcomes)} slides")
        if regions == 0:
            raise typer.Exit(1)


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
