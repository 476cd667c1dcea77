"""Teachers by name."""

from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from xmag_train.backbones.efficientnet_lite import LITE2, PIXEL_MEAN, PIXEL_STD, EfficientNetLite
from xmag_train.imagenet import LITE2_FILE, load_imagenet
from xmag_train.teachers.spec import TeacherSpec
from xmag_train.weights_file import load_file

Weights = Literal["imagenet", "hub", "random"] | Path


class Teacher(nn.Module):
    """A network with its ``spec``; forward: uint8 [N, 224, 224, 3] RGB → float [N, dim]."""

    def __init__(self, spec: TeacherSpec) -> None:
        super().__init__()
        self.spec = spec


class EfficientNetLiteTeacher(Teacher):
    """EfficientNet-Lite2, the mean of its map. It learned on 260 px; being convolutional, it takes 224 px as well."""

    def __init__(self, spec: TeacherSpec) -> None:
        super().__init__(spec)
        self.backbone = EfficientNetLite(LITE2)

    def forward(self, tiles: Tensor) -> Tensor:
        """Uint8 [N, 224, 224, 3] → float [N, 1280]."""
        return self.backbone.feature_map(tiles).flatten(2).mean(dim=2)


_PIXEL_MEAN, _PIXEL_STD = PIXEL_MEAN / 255.0, PIXEL_STD / 255.0
LITE2_SPEC = TeacherSpec(
    name="efficientnet_lite2",
    dim=1280,
    tile_px=224,
    mpp=0.5,
    mean=(_PIXEL_MEAN,) * 3,
    std=(_PIXEL_STD,) * 3,
    pooling="map_mean",
    licence="Apache-2.0",
    gated=False,
    commercial=True,
    source=LITE2_FILE.package,
)


def build_teacher(name: str, weights: Weights) -> Teacher:
    """The teacher ``name``, frozen and in eval form.

    weights: ``imagenet``, ``random``, or a file of a state dict. ValueError for a name or weights that it has not.
    """
    if name != LITE2_SPEC.name:
        raise ValueError(f"no teacher {name!r}: there is {LITE2_SPEC.name}")
    teacher = EfficientNetLiteTeacher(LITE2_SPEC)
    if weights == "imagenet":
        load_imagenet(teacher.backbone, LITE2_FILE)
    elif isinstance(weights, Path):
        load_file(teacher.backbone, weights)
    elif weights != "random":
        raise ValueError(f"{name} has weights imagenet, random or a file, not {weights!r}")
    return teacher.eval().requires_grad_(False)
