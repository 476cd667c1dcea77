"""`xmag-train curate`."""

from pathlib import Path

import typer

from xmag_train.data.atlas import import_atlas


def run_curate(out: Path, atlas: Path | None, config: Path | None) -> None:
    """Import ``atlas``, or cut regions from the slides that ``config`` names; exactly one of them."""
    if (atlas is None) == (config is None):
        raise typer.BadParameter("give either --atlas or --config")
    if atlas is not None:
        for path in import_atlas(atlas, out):
            typer.echo(path)
