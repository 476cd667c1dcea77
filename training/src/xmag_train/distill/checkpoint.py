"""All of a run at one step: what is needed to go on as if nothing had happened."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from xmag_train.distill.ema import WeightAverage
from xmag_train.write import save_torch

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(
    folder: Path,
    step: int,
    *,
    model: nn.Module,
    average: WeightAverage,
    optimizer: torch.optim.Optimizer,
    identity: str,
) -> None:
    """Write `checkpoint.pt`. ``step``: steps done; ``identity``: of the run's config and regions."""
    content = {
        "step": step,
        "identity": identity,
        "model": model.state_dict(),
        "average": average.module.state_dict(),
        "average_steps": average.steps,
        "optimizer": optimizer.state_dict(),
        "torch_random": torch.get_rng_state(),
    }
    save_torch(folder / CHECKPOINT, content)


def load_checkpoint(
    folder: Path, *, model: nn.Module, average: WeightAverage, optimizer: torch.optim.Optimizer, identity: str
) -> int:
    """Fill all from `checkpoint.pt`; the number of steps done, 0 without a file.

    ValueError where the file belongs to a run of another config: mixing two would be neither.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return 0
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if content["identity"] != identity:
        raise ValueError(f"{path} was written by another config or other regions: choose another folder, or erase it")
    model.load_state_dict(content["model"])
    average.module.load_state_dict(content["average"])
    average.steps = content["average_steps"]
    optimizer.load_state_dict(content["optimizer"])
    torch.set_rng_state(content["torch_random"])
    return int(content["step"])
