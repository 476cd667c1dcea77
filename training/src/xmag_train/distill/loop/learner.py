"""What learns in a run: student, heads, their average, optimiser and schedule, where a killed run left them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.optim.swa_utils import AveragedModel

from xmag_train.distill.config import DistillConfig, OptimConfig
from xmag_train.distill.loop.checkpoint import Done, Kept, Run, load_checkpoint
from xmag_train.distill.loop.distiller import Distiller
from xmag_train.networks.students.lite0 import embedding_dim_of
from xmag_train.networks.students.registry import build_student
from xmag_train.networks.weights import weights_of

FINAL_SHARE = 0.01
"""Of the learning rate, at the end of the cosine."""


class Learner(NamedTuple):
    """``model`` and ``optimizer`` as Fabric wraps them; ``kept``: all that a checkpoint holds; ``done``: before."""

    model: _FabricModule
    average: AveragedModel
    optimizer: _FabricOptimizer
    schedule: SequentialLR
    kept: Mapping[str, Kept]
    done: Done


def start(config: DistillConfig, fabric: Fabric, teacher_dim: int, steps_per_epoch: int, run: Run) -> Learner:
    """All on the run's device, filled from its checkpoint if there is one. ValueError for one of another run."""
    model: nn.Module = _build(config, teacher_dim)
    average = AveragedModel(model, fabric.device, avg_fn=_ramped(config.optim.ema_decay), use_buffers=True)
    optimizer = _optimizer(model, config.optim)
    schedule = _schedule(optimizer, config.optim, steps_per_epoch)
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    wrapped, wrapped_optimizer = fabric.setup(model, optimizer)
    kept: dict[str, Kept] = {
        "model": model,
        "average": average,
        "optimizer": optimizer,
        "schedule": schedule,
        "precision": fabric.strategy.precision,  # in fp16 the scale of the loss
    }
    # Not before: an optimiser's state is put where its parameters lie, and stays there.
    done = load_checkpoint(config.out, kept, run)
    return Learner(wrapped, average, wrapped_optimizer, schedule, kept, done)


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


def _schedule(optimizer: torch.optim.Optimizer, optim: OptimConfig, steps_per_epoch: int) -> SequentialLR:
    """Linear up to the learning rate over the warm-up, then half a cosine down to ``FINAL_SHARE`` of it."""
    warmup = round(optim.warmup_epochs * steps_per_epoch)
    rise = LinearLR(optimizer, 1 / max(1, warmup), total_iters=max(1, warmup - 1))
    steps = max(1, optim.epochs * steps_per_epoch - warmup)
    fall = CosineAnnealingLR(optimizer, steps, eta_min=FINAL_SHARE * optim.learning_rate)
    return SequentialLR(optimizer, [rise, fall], milestones=[warmup])


def _ramped(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """An exponential moving average whose decay after step t is min(``decay``, (1 + t) / (10 + t)).

    The ramp lets a short run forget where it started; it is the usual one (TensorFlow's `num_updates`).
    """

    def moved(average: Tensor, now: Tensor, steps: Tensor | int) -> Tensor:
        if not average.is_floating_point():
            return now  # counters of batches
        share = 1 - torch.clamp(torch.as_tensor((1 + steps) / (10 + steps)), max=decay)
        return torch.lerp(average, now, share.to(average.dtype))

    return moved
