"""Weights of inverted residuals brought to fewer hidden channels: those least missed by what comes after are dropped.

A channel weighs what its values vary by after batch norm and ReLU6, times the norm of the weights that take it up.
Source: pruning by the norm of filters (Li et al. 2017, arXiv 1608.08710), by batch norm's scale (Liu et al. 2017, arXiv
1708.06519).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

_RELU_MAX = 6.0
# What a standard normal variable is below with equal steps of probability.
_NORMAL = 2**0.5 * torch.erfinv(torch.linspace(-1, 1, 257)[1:-1])


def narrowed(state: Mapping[str, Tensor], hidden: Mapping[str, int]) -> dict[str, Tensor]:
    """``state`` with ``hidden`` channels in the blocks named: prefix of a block's weights → how many.

    A block that has as many, or is not in ``state``, stays as it is, one that has fewer too: loading it says so.
    """
    found = dict(state)
    for block, wanted in hidden.items():
        taking = state.get(f"{block}project.0.weight")
        if taking is None or taking.shape[1] <= wanted:
            continue
        kept = _weight_of_channels(state, block).topk(wanted).indices.sort().values
        for name, value in state.items():
            if name.startswith((f"{block}expand.", f"{block}depthwise.")) and value.ndim > 0:
                found[name] = value[kept]
        found[f"{block}project.0.weight"] = taking[:, kept]
    return found


def _weight_of_channels(state: Mapping[str, Tensor], block: str) -> Tensor:
    (scale,) = (value for name, value in state.items() if _is_norm(name, block, "weight") and value.ndim == 1)
    (shift,) = (value for name, value in state.items() if _is_norm(name, block, "bias"))
    values = (_NORMAL[:, None] * scale.abs() + shift).clamp(0.0, _RELU_MAX)
    return values.std(dim=0) * state[f"{block}project.0.weight"].flatten(1).norm(dim=0)


def _is_norm(name: str, block: str, part: str) -> bool:
    return name.startswith(f"{block}depthwise.") and name.endswith(f".{part}")
