"""Weights by the word that a config has for them: a file, the Hugging Face hub, a package, or none."""

import importlib.util
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

from xmag_train.files import file_sha256

Weights = Literal["imagenet", "hub", "random"] | Path
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def weights_of(name: str) -> Weights:
    """``imagenet``, ``hub`` and ``random`` are themselves; anything else is a file. FileNotFoundError without it."""
    if name in {"imagenet", "hub", "random"}:
        return cast("Weights", name)
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"weights {name!r}: neither imagenet, hub, random nor a file")
    return path


def weights_identity(name: str) -> str:
    """What tells weights from others: of a file its sha256, wherever it lies; else the name."""
    weights = weights_of(name)
    return file_sha256(weights) if isinstance(weights, Path) else weights


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Name → tensor, on the CPU, of torch's or safetensors' form; nothing is executed.

    ValueError if the file holds anything else.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file as load_safetensors  # noqa: PLC0415 - an optional extra

        return load_safetensors(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path.name} holds no state dict")
    return content


def download_weights(repository: str) -> Path:
    """The hub's weights file of ``repository``, in the local cache; gated ones need `hf auth login` first.

    FileNotFoundError if it has none of the usual names. The hub's own errors (no access, no network) are passed on:
    they say what to do.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ImportError("huggingface_hub is not installed: pip install xmag-train[hub]")
    from huggingface_hub import hf_hub_download, list_repo_files  # noqa: PLC0415 - an optional extra

    there = list_repo_files(repository)
    for name in HUB_FILES:
        if name in there:
            return Path(hf_hub_download(repository, name))
    raise FileNotFoundError(f"{repository} has none of {', '.join(HUB_FILES)}")
