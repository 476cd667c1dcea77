"""A distilled student on disk: `student.pt`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from xmag_train.files import save_torch
from xmag_train.networks.students.registry import build_student


class LoadedStudent(NamedTuple):
    """The student's registry name and the module, in eval form."""

    name: str
    module: nn.Module


def save_student(
    path: Path,
    name: str,
    state_dict: Mapping[str, Tensor],
    config: Mapping[str, Any],
    regions_sha256: str,
    **more: Any,
) -> None:
    """Write ``path`` at once. ``state_dict``: the average's weights, batch norms' statistics included.

    ``config``: plain values only (the reader executes nothing); ``regions_sha256``: of what it learned from.
    """
    content = {
        "student": name,
        "state_dict": {key: value.detach().cpu() for key, value in state_dict.items()},
        "config": dict(config),
        "regions_sha256": regions_sha256,
        **more,
    }
    save_torch(path, content)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What ``save_student`` wrote. ValueError if it is something else."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or not {"student", "state_dict", "config", "regions_sha256"} <= set(content):
        raise ValueError(f"{path.name} is no checkpoint of a student")
    return content


def load_student(path: Path) -> LoadedStudent:
    """Build the student that ``path`` names and fill it."""
    content = read_checkpoint(path)
    module = build_student(content["student"], "random")
    module.load_state_dict(content["state_dict"], strict=True)
    return LoadedStudent(content["student"], module.eval())
