"""Exponential moving average of a network: its weights and its batch norms' statistics."""

import copy

import torch
from torch import nn


class WeightAverage:
    """``module``: the average, in eval form. After step t the decay is min(decay, (1 + t) / (10 + t)).

    The ramp lets a short run forget where it started; it is the usual one (TensorFlow's `num_updates`).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self._decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards ``module``; counters of batches are copied."""
        decay = min(self._decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        now = module.state_dict()
        for name, average in self.module.state_dict().items():
            if average.is_floating_point():
                average.lerp_(now[name].to(average.dtype), 1.0 - decay)
            else:
                average.copy_(now[name])
