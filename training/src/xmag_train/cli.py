"""`xmag-train`: make models for xmag-serve."""

from pathlib import Path
from typing import Annotated

import typer

from xmag_train.commit import source_commit
from xmag_train.package import write_model
from xmag_train.untrained import untrained_spec

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def _commands() -> None:
    """Make models for xmag-serve."""


@app.command()
def export_untrained(
    out: Annotated[Path, typer.Option(help="Folder to write, named as the model.")] = Path("models/xmag-lite0"),
    seed: Annotated[int, typer.Option(help="Of the head's random weights.")] = 0,
    commit: Annotated[str | None, typer.Option(help="Recorded as source; default: this checkout's.")] = None,
) -> None:
    """ImageNet student and untrained head: for integration, never for diagnosis."""
    written = write_model(untrained_spec(seed, commit or source_commit()), out)
    for file in written.manifest.files():
        size_mb = (out / file.name).stat().st_size / 1e6
        difference = written.parity[file.name]
        typer.echo(f"{file.name:<20} {size_mb:6.2f} MB  sha256 {file.sha256}  differs from torch by {difference:.1e}")


@app.command()
def curate(
    out: Annotated[Path, typer.Option(help="Folder for the shards.")],
    atlas: Annotated[Path | None, typer.Option(help="Import this folder of the atlas corpus instead.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML: which slides, and how regions are chosen.")] = None,
) -> None:
    """Slides → 896 px regions at 0.5 µm/px in tar shards; or the import of the atlas corpus."""
    from xmag_train.data.command import run_curate

    run_curate(out, atlas, config)


def main() -> None:
    """Entry point of the command."""
    app()
