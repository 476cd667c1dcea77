"""What learns in a run: the student with its heads, its average and the optimiser, where a killed run left them."""

from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import nn

from xmag_train.distill.config import DistillConfig, OptimConfig
from xmag_train.distill.loop.checkpoint import Done, Run, load_checkpoint
from xmag_train.distill.loop.distiller import Distiller
from xmag_train.distill.loop.ema import WeightAverage
from xmag_train.networks.students.lite0 import embedding_dim_of
from xmag_train.networks.students.registry import build_student
from xmag_train.networks.weights import weights_of


class Learner(NamedTuple):
    """``model`` and ``optimizer`` as Fabric wraps them; ``done``: by earlier processes."""

    model: _FabricModule
    average: WeightAverage
    optimizer: _FabricOptimizer
    done: Done


def start(config: DistillConfig, fabric: Fabric, teacher_dim: int, run: Run) -> Learner:
    """All on the run's device, filled from its checkpoint if there is one. ValueError for one of another run."""
    model: nn.Module = _build(config, teacher_dim)
    average = WeightAverage(model, config.optim.ema_decay)
    optimizer = _optimizer(model, config.optim)
    average.module.to(fabric.device)
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    wrapped, wrapped_optimizer = fabric.setup(model, optimizer)
    # Not before: an optimiser's state is put where its parameters lie, and stays there.
    done = load_checkpoint(
        config.out,
        model=model,
        average=average,
        optimizer=optimizer,
        precision=fabric.strategy.precision,
        run=run,
    )
    return Learner(wrapped, average, wrapped_optimizer, done)


def _build(config: DistillConfig, teacher_dim: int) -> Distiller:
    student = build_student(config.student.name, weights_of(config.student.weights))
    model = Distiller(student, embedding_dim_of(student), teacher_dim, config.student.projector_hidden)
    return model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]  # torch leaves it out


def _optimizer(model: nn.Module, optim: OptimConfig) -> torch.optim.AdamW:
    """Weight decay on matrices and filters; none on norms and biases."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": optim.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=optim.learning_rate)
