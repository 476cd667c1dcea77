"""`xmag-train`: make models for xmag-serve. With XMAG_TRACEBACK=1 an error tells where in the program it arose."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.errors import XmagError
from app.system.logs import configure_logs
from xmag_train.progress import say

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

RunFolder = Annotated[Path | None, typer.Option(help="Run folder, in place of the config's.")]
LeftOutFold = Annotated[int | None, typer.Option(help="Fold never looked at, in place of the config's.")]


@app.callback()
def _commands() -> None:
    """Make models for xmag-serve."""
    configure_logs("warning", "text")  # to standard error


@app.command()
def curate(
    out: Annotated[Path, typer.Option(help="Folder for the shards.")],
    atlas: Annotated[Path | None, typer.Option(help="Import this folder of the atlas corpus instead.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML: which slides, and how regions are chosen.")] = None,
) -> None:
    """Slides → 896 px regions at 0.5 µm/px in tar shards; or the import of the atlas corpus."""
    from xmag_train.data.command import run_curate

    run_curate(out, atlas, config)


@app.command()
def distill(
    config: Annotated[Path, typer.Option(help="YAML: regions, teacher, student, losses, optimiser.")],
    out: RunFolder = None,
    leave_out_fold: LeftOutFold = None,
) -> None:
    """Distil a 20x teacher into a 5x student; go on where a killed run stopped; measure on the cases left out."""
    from xmag_train.distill.command import run_distill
    from xmag_train.distill.config import DistillConfig

    run_distill(DistillConfig.read(config, out=out, leave_out_fold=leave_out_fold))


@app.command()
def distill_check(
    config: Annotated[Path, typer.Option(help="YAML of the run.")],
    out: RunFolder = None,
    leave_out_fold: LeftOutFold = None,
    start: Annotated[bool, typer.Option(help="Measure the weights that the run starts from instead.")] = False,
    slides: Annotated[
        Path | None, typer.Option(help="Folder of whole slides: also how alike their readings are.")
    ] = None,
) -> None:
    """Retrieval and likeness of readings on the cases that a run left out."""
    from xmag_train.distill.command import run_check
    from xmag_train.distill.config import DistillConfig

    run_check(DistillConfig.read(config, out=out, leave_out_fold=leave_out_fold), imagenet=start, slides=slides)


@app.command()
def atlas_labels(
    atlas: Annotated[Path, typer.Option(help="Folder of the atlas corpus.")],
    out: Annotated[Path, typer.Option(help="labels.csv to write.")] = Path("training/configs/atlas/labels.csv"),
) -> None:
    """labels.csv of the atlas corpus."""
    from xmag_train.data.command import run_atlas_labels

    run_atlas_labels(atlas, out)


@app.command()
def folds(
    labels: Annotated[Path, typer.Option(help="labels.csv: slide, case and the columns to spread by.")],
    out: Annotated[Path, typer.Option(help="folds.csv to write: case, fold.")],
    stratum: Annotated[list[str], typer.Option(help="Column to spread evenly; repeat it, most important first.")],
    count: Annotated[int, typer.Option(min=2, help="How many folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the order among equal cases.")] = 0,
) -> None:
    """folds.csv: which fold a case is in. Make it once, commit it, never change it."""
    from xmag_train.data.command import run_folds

    run_folds(labels, stratum, count, seed, out)


@app.command()
def bags(config: Annotated[Path, typer.Option(help="YAML: shards, and the student or teacher.")]) -> None:
    """Regions in shards → one HDF5 bag per slide, one embedding per region."""
    from xmag_train.mil.bags_command import run_bags

    run_bags(config)


@app.command()
def mil(
    config: Annotated[Path, typer.Option(help="YAML: bags, labels, folds, head.")],
    out: RunFolder = None,
) -> None:
    """Train a MIL head on bags, cross-validated by case, then on all."""
    from xmag_train.mil.command import run_mil

    run_mil(config, out)


@app.command()
def finetune(
    config: Annotated[Path, typer.Option(help="YAML: student, shards, labels, folds, head.")],
    out: RunFolder = None,
) -> None:
    """Student and head end to end, with the distillation held on to."""
    from xmag_train.finetune.command import run_finetune

    run_finetune(config, out)


@app.command()
def evaluate(
    config: Annotated[Path, typer.Option(help="YAML: tasks, and the arms to compare.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report, in place of the config's.")] = None,
) -> None:
    """20x teacher against 5x student on the same folds and head; a Markdown report with plots."""
    from xmag_train.evaluate.command import run_evaluate

    run_evaluate(config, out)


@app.command()
def embed(
    config: Annotated[Path, typer.Option(help="YAML: slides, exported model or teacher, folder of bags.")],
    out: Annotated[Path | None, typer.Option(help="Folder of bags, in place of the config's.")] = None,
) -> None:
    """Whole slides → HDF5 bags, with the service's own reader: by an exported model at 5x, or by a teacher at 20x."""
    from xmag_train.embed.command import run_embed

    run_embed(config, out)


@app.command()
def export(
    config: Annotated[Path, typer.Option(help="YAML: student, heads, regions to measure on.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write, in place of the config's.")] = None,
) -> None:
    """Checkpoints → the model's folder that the service reads: fp32, int8, heads, manifest, card."""
    from xmag_train.export.command import run_export

    run_export(config, out)


def main() -> None:
    """Entry point: what is wrong with files or configs is a line on standard error and exit code 2."""
    try:
        app()
    except (ValueError, FileNotFoundError, FileExistsError, XmagError) as error:
        if os.environ.get("XMAG_TRACEBACK") == "1":
            raise
        say(f"xmag-train: {error}")
        sys.exit(2)
