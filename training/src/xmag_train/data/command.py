"""`xmag-train curate`."""

from pathlib import Path

import typer

from xmag_train.data.atlas import import_atlas
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
