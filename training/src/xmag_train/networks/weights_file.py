"""Weights from a local file: torch's or safetensors' form, strict, nothing executed."""

from pathlib import Path

import torch
from torch import Tensor


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Name → tensor, on the CPU. ValueError if the file holds anything else."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file as load_safetensors  # noqa: PLC0415 - an optional extra

        return load_safetensors(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path.name} holds no state dict")
    return content
