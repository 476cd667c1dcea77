"""The loop of every fit: passes over slides, some slides a step, kept on disk epoch by epoch."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from xmag_train.mil.keep import KeptFit

Slide = TypeVar("Slide")
Losses = Callable[[Slide, torch.Generator], Mapping[str, Tensor]]
"""Of one slide, what is drawn being drawn from the generator; ``loss`` is the one that is learnt from."""


def fit_epochs(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    slides: Sequence[Slide],
    losses: Losses[Slide],
    *,
    slides_per_step: int,
    epochs: int,
    seed: int,
    kept: KeptFit,
    judge: Callable[[], float] | None = None,
    clip_norm: float | None = None,
) -> tuple[list[dict[str, float]], list[float]]:
    """Teach ``model`` in place: (mean losses of each epoch, what ``judge`` said after it); eval form at the end.

    Goes on from ``kept`` where an earlier run was interrupted. All that is drawn is drawn from ``seed`` and the epoch.
    """
    curve, judged = list[dict[str, float]](), list[float]()
    state = kept.load()
    if state is not None:
        curve, judged = list(state["curve"]), list(state["judged"])
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    for epoch in range(len(curve), epochs):
        model.train()
        drawing = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
        curve.append(_one_pass(optimizer, slides, losses, slides_per_step, drawing, clip_norm))
        model.eval()
        if judge is not None:
            judged.append(judge())
        now = {"curve": curve, "judged": judged, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
        kept.save(now, last=epoch + 1 == epochs, steps=math.ceil(len(slides) / slides_per_step))
    model.eval()
    return curve, judged


def _one_pass(  # noqa: PLR0917 (one caller, just above)
    optimizer: torch.optim.Optimizer,
    slides: Sequence[Slide],
    losses: Losses[Slide],
    slides_per_step: int,
    seed: int,
    clip_norm: float | None,
) -> dict[str, float]:
    generator = torch.Generator().manual_seed(seed)
    sums = Counter[str]()
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # of dropout, where a head has it
        for step in torch.randperm(len(slides), generator=generator).split(slides_per_step):
            optimizer.zero_grad()
            for index in step.tolist():
                found = losses(slides[index], generator)
                (found["loss"] / len(step)).backward()
                sums.update({name: float(value.detach()) for name, value in found.items()})
            if clip_norm is not None:
                nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip_norm)
            optimizer.step()
    return {name: value / len(slides) for name, value in sums.items()}
