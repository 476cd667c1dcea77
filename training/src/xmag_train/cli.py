"""Train models for xmag-serve. Set XMAG_TRACEBACK=1 to see the traceback of an error."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.errors import XmagError
from app.system.logs import configure_logs
from xmag_train.progress import say

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

RunFolder = Annotated[Path | None, typer.Option(help="Run folder. Overrides the config.")]
LeftOutFold = Annotated[int | None, typer.Option(help="Fold to leave out of training. Overrides the config.")]


@app.callback()
def _commands() -> None:
    """Train models for xmag-serve. Set XMAG_TRACEBACK=1 to see the traceback of an error."""
    configure_logs("warning", "text")  # to standard error


@app.command()
def curate(
    out: Annotated[Path, typer.Option(help="Folder for the shards.")],
    atlas: Annotated[
        Path | None, typer.Option(help="Import this folder of the atlas corpus instead of cutting slides.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML: the slides, and how regions are chosen.")] = None,
) -> None:
    """Cut slides into 896 px regions at 0.5 µm/px, in tar shards. Or import the atlas corpus."""
    from xmag_train.data.command import run_curate

    run_curate(out, atlas, config)


@app.command()
def distill(
    config: Annotated[Path, typer.Option(help="YAML: regions, teacher, student, losses, optimiser.")],
    out: RunFolder = None,
    leave_out_fold: LeftOutFold = None,
) -> None:
    """Distil a 20x teacher into a 5x student, then measure it on the cases left out.

    An interrupted run resumes.
    """
    from xmag_train.distill.command import run_distill
    from xmag_train.distill.config import DistillConfig

    run_distill(DistillConfig.read(config, out=out, leave_out_fold=leave_out_fold))


@app.command()
def distill_check(
    config: Annotated[Path, typer.Option(help="The run's YAML.")],
    out: RunFolder = None,
    leave_out_fold: LeftOutFold = None,
    start: Annotated[bool, typer.Option(help="Measure the initial weights instead of the trained ones.")] = False,
    slides: Annotated[
        Path | None, typer.Option(help="Folder of slides. Also compares the reading methods on them.")
    ] = None,
) -> None:
    """Measure a distilled student on the cases that its run left out."""
    from xmag_train.distill.command import run_check
    from xmag_train.distill.config import DistillConfig

    run_check(DistillConfig.read(config, out=out, leave_out_fold=leave_out_fold), imagenet=start, slides=slides)


@app.command()
def atlas_labels(
    atlas: Annotated[Path, typer.Option(help="Folder of the atlas corpus.")],
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("training/configs/atlas/labels.csv"),
) -> None:
    """Write labels.csv of the atlas corpus."""
    from xmag_train.data.command import run_atlas_labels

    run_atlas_labels(atlas, out)


@app.command()
def folds(
    labels: Annotated[Path, typer.Option(help="labels.csv with slide, case and the columns to balance.")],
    out: Annotated[Path, typer.Option(help="File to write: case, fold.")],
    stratum: Annotated[
        list[str], typer.Option(help="Column to balance over the folds. Repeat for several, most important first.")
    ],
    count: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Random seed for the order of equal cases.")] = 0,
) -> None:
    """Write folds.csv: the fold of each case. Make it once, commit it, never change it."""
    from xmag_train.data.command import run_folds

    run_folds(labels, stratum, count, seed, out)


@app.command()
def bags(config: Annotated[Path, typer.Option(help="YAML: shards, and student or teacher.")]) -> None:
    """Embed the regions of the shards: one HDF5 bag per slide."""
    from xmag_train.mil.bags_command import run_bags

    run_bags(config)


@app.command()
def mil(
    config: Annotated[Path, typer.Option(help="YAML: bags, labels, folds, head.")],
    out: RunFolder = None,
) -> None:
    """Train a MIL head on bags: cross-validated by case, then on all cases."""
    from xmag_train.mil.command import run_mil

    run_mil(config, out)


@app.command()
def finetune(
    config: Annotated[Path, typer.Option(help="YAML: student, shards, labels, folds, head.")],
    out: RunFolder = None,
) -> None:
    """Train student and head together, with the distillation loss kept."""
    from xmag_train.finetune.command import run_finetune

    run_finetune(config, out)


@app.command()
def evaluate(
    config: Annotated[Path, typer.Option(help="YAML: tasks, and the models to compare.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report. Overrides the config.")] = None,
) -> None:
    """Compare the 20x teacher with the 5x student on the same folds and head. Writes a Markdown report with plots."""
    from xmag_train.evaluate.command import run_evaluate

    run_evaluate(config, out)


@app.command()
def embed(
    config: Annotated[Path, typer.Option(help="YAML: slides, exported model or teacher, folder of bags.")],
    out: Annotated[Path | None, typer.Option(help="Folder of bags. Overrides the config.")] = None,
) -> None:
    """Embed slides into HDF5 bags with the service's reader: an exported model at 5x, or a teacher at 20x."""
    from xmag_train.embed.command import run_embed

    run_embed(config, out)


@app.command()
def export(
    config: Annotated[Path, typer.Option(help="YAML: student, heads, regions to measure on.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write. Overrides the config.")] = None,
) -> None:
    """Export checkpoints as a model folder for the service: fp32, int8, heads, manifest, model card."""
    from xmag_train.export.command import run_export

    run_export(config, out)


def main() -> None:
    """Entry point: wrong files and configs give one line on standard error and exit code 2."""
    try:
        app()
    except (ValueError, FileNotFoundError, FileExistsError, XmagError) as error:
        if os.environ.get("XMAG_TRACEBACK") == "1":
            raise
        say(f"xmag-train: {error}")
        sys.exit(2)
