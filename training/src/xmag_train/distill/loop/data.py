"""What a run learns from: regions without the left-out cases, their 5x tiles, the teacher's targets."""

from typing import NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from xmag_train.data.cohort.table import fold_of_cases
from xmag_train.data.shards import Region, read_shards, regions_sha256, shards_in
from xmag_train.distill.config import DistillConfig
from xmag_train.distill.targets.cache import cache_folder, cached_targets, module_sha256
from xmag_train.distill.targets.cpu_teacher import teacher_on
from xmag_train.distill.targets.normalise import Normaliser, fit_normaliser
from xmag_train.distill.views.tiles import cached_tiles
from xmag_train.networks.teachers.registry import Teacher, build_teacher
from xmag_train.networks.weights import weights_of
from xmag_train.progress import say


class Sources(NamedTuple):
    """What a run is made of: every region of the shards, the ``rows`` of those that it learns from, the teacher.

    ``regions_sha256`` is of those that it learns from.
    """

    every: list[Region]
    rows: list[int]
    regions_sha256: str
    teacher: Teacher
    teacher_sha256: str


class TrainingData(NamedTuple):
    """Row ``rows[i]`` of ``tiles`` and of each of ``targets`` belongs to ``regions[i]``, of no case that is left out.

    tiles uint8 [every, readings, 224, 224, 3]; targets one float16 [every, 16, D] a view, or None with a live
    ``teacher``. Both are the caches' memory maps, so that the processes of a machine share its memory.
    """

    regions: list[Region]
    regions_sha256: str
    rows: list[int]
    tiles: NDArray[np.uint8]
    targets: list[NDArray[np.float16]] | None
    teacher: nn.Module | None
    teacher_dim: int
    normaliser: Normaliser


def left_out(config: DistillConfig) -> frozenset[str]:
    """Cases that the run never looks at. ValueError for a fold without a fold file, or an empty one."""
    cases = set(config.leave_out_cases)
    if config.leave_out_fold is not None:
        if config.folds is None:
            raise ValueError("leave_out_fold needs folds, the file of case and fold")
        fold = {case for case, number in fold_of_cases(config.folds).items() if number == config.leave_out_fold}
        if not fold:
            raise ValueError(f"{config.folds}: no case in fold {config.leave_out_fold}")
        cases |= fold
    return frozenset(cases)


def read_sources(config: DistillConfig) -> Sources:
    """The regions and the teacher.

    ValueError if no region has a case that is to be left out, or none has a case of the fold. Also if a region's case
    has no fold: it may be a held-out case in another spelling.
    """
    every = list(read_shards(shards_in(config.regions)))
    known = {region.meta.case for region in every}
    if config.folds is not None:
        fold_of_cases(config.folds, known)
    without = left_out(config)
    mistyped = sorted(set(config.leave_out_cases) - known)
    if mistyped:
        raise ValueError(f"cases to leave out that no region has: {mistyped[:5]}")
    if without and not without & known:
        raise ValueError(f"no region is of the cases of fold {config.leave_out_fold}")
    if without - known:
        say(f"left out, though no region is of them: the cases {', '.join(sorted(without - known))}")
    rows = [at for at, region in enumerate(every) if region.meta.case not in without]
    teacher = build_teacher(config.teacher.name, weights_of(config.teacher.weights))
    return Sources(every, rows, regions_sha256(every[at] for at in rows), teacher, module_sha256(teacher))


def prepare(config: DistillConfig, sources: Sources, fabric: Fabric) -> TrainingData:
    """Fill the caches; with several processes the first one fills, the others wait."""
    every, rows, teacher = sources.every, sources.rows, sources.teacher
    dim = teacher.spec.dim
    with fabric.rank_zero_first():
        tiles = cached_tiles(config.cache, every)
        views = config.teacher.views if config.teacher.mode == "cached" else 1
        targets = region_targets(config, sources, views, fabric.device)
    normaliser = fit_normaliser(targets[0], rows, config.teacher.normalise)
    live = config.teacher.mode == "live"
    return TrainingData(
        regions=[every[at] for at in rows],
        regions_sha256=sources.regions_sha256,
        rows=rows,
        tiles=tiles,
        targets=None if live else targets,
        teacher=teacher.to(fabric.device) if live else None,
        teacher_dim=dim,
        normaliser=normaliser,
    )


def region_targets(
    config: DistillConfig, sources: Sources, views: int, device: torch.device
) -> list[NDArray[np.float16]]:
    """The caches of ``views`` views; a frozen teacher learns nothing from the regions it is shown."""
    every, teacher = sources.every, sources.teacher
    folder = cache_folder(config.cache, every, config.teacher.name, sources.teacher_sha256, config.augment)
    runner = teacher_on(device, teacher, config.threads)
    return cached_targets(
        folder, every, runner, dim=teacher.spec.dim, views=views, config=config.augment, device=device
    )
