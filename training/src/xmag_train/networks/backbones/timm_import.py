"""timm, imported when it is needed: an optional extra, and one that wants torchvision.

torchvision's wheel from the package index is built for another torch than a CPU build. Its compiled part then fails to
load, so two operators that its Python part expects are not registered. Declaring them lets timm import. Nothing here
calls them.
"""

import importlib
import importlib.util
import sys
from types import ModuleType

import torch
from torch import Tensor, nn

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_LIBRARIES: list[torch.library.Library] = []


def import_timm() -> ModuleType:
    """The module timm. ImportError says which extra brings it."""
    for module in ("timm", "torchvision"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"{module} is not installed: pip install xmag-train[hub], or see training/README.md")
    import_torchvision()
    return importlib.import_module("timm")


def import_torchvision() -> None:
    """Import torchvision; where its operators are missing for want of a matching torch, declare them first."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if _LIBRARIES or "torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # what the failed import left
        library = torch.library.Library("torchvision", "DEF")
        for name in _OPERATORS:
            library.define(f"{name}{_SIGNATURE}")
        _LIBRARIES.append(library)  # what it declared lasts as long as it does
        importlib.import_module("torchvision")


def published_vit(state: dict[str, Tensor], vit: nn.Module) -> dict[str, Tensor]:
    """A published vision transformer's tensors in the form of ``vit``: timm's names, position grid of its tile size."""
    transformer = importlib.import_module("timm.models.vision_transformer")
    converted: dict[str, Tensor] = transformer.checkpoint_filter_fn(state, vit)
    return converted
