"""All of a run at one step: what is needed to go on as if nothing had happened."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric.plugins import Precision
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from xmag_train.config import changes
from xmag_train.files import save_torch
from xmag_train.networks.students.checkpoint import read_checkpoint

CHECKPOINT = "checkpoint.pt"
Kept = nn.Module | torch.optim.Optimizer | LRScheduler | Precision


class Done(NamedTuple):
    """``steps`` done, and the seconds that they took."""

    steps: int
    wall_s: float


class Run(NamedTuple):
    """``identity``: digest of all that decides what is learned; ``settings``: the config's part of that."""

    identity: str
    settings: Mapping[str, Any]


def save_checkpoint(folder: Path, done: Done, kept: Mapping[str, Kept], run: Run) -> None:
    """Write `checkpoint.pt`."""
    content = {
        **{name: part.state_dict() for name, part in kept.items()},
        "step": done.steps,
        "wall_s": done.wall_s,
        "identity": run.identity,
        "config": dict(run.settings),
        "torch_random": torch.get_rng_state(),
    }
    save_torch(folder / CHECKPOINT, content)


def load_checkpoint(folder: Path, kept: Mapping[str, Kept], run: Run) -> Done:
    """Fill all of ``kept``, each where it lies, from `checkpoint.pt`; what was done, nothing without a file.

    ValueError where the file is of another run: mixing two would be neither.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return Done(0, 0.0)
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    refuse_another(path, content, run)
    for name, part in kept.items():
        part.load_state_dict(content[name])
    torch.set_rng_state(content["torch_random"])
    return Done(content["step"], content["wall_s"])


def is_finished(student: Path, run: Run) -> bool:
    """Whether the run has left its ``student``. ValueError for that of another run, which this one would replace."""
    if not student.exists():
        return False
    refuse_another(student, read_checkpoint(student), run)
    return True


def refuse_another(path: Path, content: Mapping[str, Any], run: Run) -> None:
    """ValueError unless the file says that it is of ``run``; it names what the config says otherwise."""
    if content.get("identity") != run.identity:
        changed = changes(content["config"], run.settings) if "config" in content else ""
        other = f" ({changed})" if changed else ", or from other weights or regions"
        raise ValueError(f"{path} is of a run by another config{other}: choose another folder, or erase {path.parent}")
