"""Students by name."""

from pathlib import Path
from typing import Literal

from torch import nn

from xmag_train.imagenet import load_imagenet
from xmag_train.student import Student
from xmag_train.weights_file import load_file

Weights = Literal["imagenet", "hub", "random"] | Path


def build_student(name: str, weights: Weights) -> nn.Module:
    """The student ``name``: uint8 [N, 224, 224, 3] → (embedding float [N, D], tokens float [N, 4, 4, D]).

    It has the attribute ``embedding_dim`` (D). weights: ``imagenet``, ``random``, or a file of a state dict.
    ValueError for a name or weights that there are not.
    """
    if name != "efficientnet_lite0":
        raise ValueError(f"no student {name!r}: there is efficientnet_lite0")
    student = Student()
    if weights == "imagenet":
        load_imagenet(student)
    elif isinstance(weights, Path):
        load_file(student, weights)
    elif weights != "random":
        raise ValueError(f"{name} has weights imagenet, random or a file, not {weights!r}")
    return student
