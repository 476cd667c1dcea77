"""`xmag-train distill` and `xmag-train distill-check`."""

import json
from pathlib import Path

import numpy as np
import torch
import typer

from xmag_train.distill.check.reading_agreement import Learnt, fidelity
from xmag_train.distill.check.slide_readings import slide_cosines
from xmag_train.distill.config import DistillConfig
from xmag_train.distill.loop.data import left_out, read_sources, region_targets
from xmag_train.distill.loop.processes import is_first_process
from xmag_train.distill.loop.train import STUDENT_FILE, train
from xmag_train.distill.views.readings import READINGS
from xmag_train.distill.views.tiles import cached_tiles
from xmag_train.files import write_json
from xmag_train.networks.students.checkpoint import load_student
from xmag_train.networks.students.registry import build_student
from xmag_train.networks.weights import weights_of

CHECK_FILE = "fidelity.json"


def run_distill(config: DistillConfig) -> None:
    """Train, or resume an interrupted run; then measure on the cases left out, if any. Neither is done twice."""
    learnt = train(config)
    if not is_first_process():
        return
    typer.echo(config.out / STUDENT_FILE if learnt else f"{config.out / STUDENT_FILE} is complete: nothing to do")
    if left_out(config) and (learnt or not (config.out / CHECK_FILE).exists()):
        run_check(config, imagenet=False)


def run_check(config: DistillConfig, *, imagenet: bool, slides: Path | None = None) -> None:
    """Print and keep the fidelity on the cases left out, of the run's student or of the one it started from.

    ``slides``: whole slides, which may show cases that the run did learn from; their figures stand by themselves.
    """
    if not left_out(config):
        raise typer.BadParameter("no cases were left out, and a student cannot be judged on cases it was trained on")
    torch.set_num_threads(config.threads)
    sources = read_sources(config)
    every, rest = sources.every, sources.rows
    rows = sorted(set(range(len(every))) - set(rest))
    (targets,) = region_targets(config, sources, 1, torch.device("cpu"))
    if imagenet:
        student = build_student(config.student.name, weights_of(config.student.weights)).eval()
    else:
        student = load_student(config.out / STUDENT_FILE).module
    tiles = cached_tiles(config.cache, every)
    means = np.asarray(targets, dtype=np.float32).mean(axis=1)
    learnt = Learnt(tiles[rest, READINGS.index("lanczos")], means[rest])
    figures = fidelity(student, tiles[rows], means[rows], [every[at].meta for at in rows], learnt)
    if slides is not None:
        figures["slide_reading_cosine"] = slide_cosines(student, slides)
    typer.echo(json.dumps(figures, indent=2))
    if not imagenet:
        write_json(config.out / CHECK_FILE, figures)
