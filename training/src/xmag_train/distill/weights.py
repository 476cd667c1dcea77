"""Weights as a YAML file names them."""

from pathlib import Path
from typing import Literal

from xmag_train.files import file_sha256


def weights_of(name: str) -> Literal["imagenet", "hub", "random"] | Path:
    """``imagenet``, ``hub`` and ``random`` are themselves; anything else is a file. FileNotFoundError without it."""
    if name == "imagenet":
        return "imagenet"
    if name == "hub":
        return "hub"
    if name == "random":
        return "random"
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"weights {name!r}: neither imagenet, hub, random nor a file")
    return path


def weights_identity(name: str) -> str:
    """What tells weights from others: of a file its sha256, wherever it lies; else the name."""
    weights = weights_of(name)
    return file_sha256(weights) if isinstance(weights, Path) else weights
