"""The networks behind the teachers, by family. Each: uint8 [N, 224, 224, 3] RGB → float [N, dim]."""

import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from xmag_train.networks.backbones.efficientnet_lite import LITE2, EfficientNetLite
from xmag_train.networks.backbones.pixels import Normalise
from xmag_train.networks.backbones.timm_import import import_timm, import_torchvision, published_vit
from xmag_train.networks.teachers.spec import Pooling, TeacherSpec


class Teacher(nn.Module):
    """A network with its ``spec``; its published weights fill ``backbone``."""

    backbone: nn.Module

    def __init__(self, spec: TeacherSpec) -> None:
        super().__init__()
        self.spec = spec

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The published file's tensors by the names and in the shapes of ``backbone``."""
        return state


class EfficientNetLiteTeacher(Teacher):
    """EfficientNet-Lite2, the mean of its map. It learned on 260 px; being convolutional, it takes 224 px as well."""

    def __init__(self, spec: TeacherSpec) -> None:
        super().__init__(spec)
        self.backbone: EfficientNetLite = EfficientNetLite(LITE2)

    def forward(self, tiles: Tensor) -> Tensor:
        """Mean over the 7×7 cells: [N, 1280]."""
        return self.backbone.feature_map(tiles).flatten(2).mean(dim=2)


class TimmVitTeacher(Teacher):
    """A vision transformer of timm. ``overrides`` change its size, for tests."""

    def __init__(self, spec: TeacherSpec, **overrides: Any) -> None:
        super().__init__(spec)
        timm = import_timm()
        arguments: dict[str, Any] = {"num_classes": 0, **spec.arguments, **overrides}
        if spec.swiglu:
            arguments |= {"mlp_layer": timm.layers.SwiGLUPacked, "act_layer": nn.SiLU}
        self.normalise = Normalise(spec.mean, spec.std)
        vit: Any = timm.create_model(spec.architecture, pretrained=False, **arguments)
        self.backbone = vit
        self._sequence: Callable[[Tensor], Tensor] = vit.forward_features
        self._prefix_tokens = int(vit.num_prefix_tokens)

    def forward(self, tiles: Tensor) -> Tensor:
        """Pooled as the spec says; register tokens are left out."""
        return pooled(self._sequence(self.normalise(tiles)), self._prefix_tokens, self.spec.pooling)

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Timm's conversion: DINOv2's original names, and the position grid of another tile size."""
        return published_vit(state, self.backbone)


class TransformersDinov2Teacher(Teacher):
    """A DINOv2 model of transformers; its class token."""

    def __init__(self, spec: TeacherSpec, **overrides: Any) -> None:
        super().__init__(spec)
        if importlib.util.find_spec("transformers") is None:
            raise ImportError("transformers is not installed: pip install xmag-train[hub], or see training/README.md")
        if importlib.util.find_spec("torchvision") is not None:
            import_torchvision()  # transformers imports it where it is there
        from transformers import Dinov2Config, Dinov2Model  # noqa: PLC0415 - an optional extra

        self.normalise = Normalise(spec.mean, spec.std)
        self.backbone = Dinov2Model(Dinov2Config(**{**spec.arguments, **overrides}))

    def forward(self, tiles: Tensor) -> Tensor:
        """Class token after the last norm."""
        return pooled(self.backbone(pixel_values=self.normalise(tiles)).last_hidden_state, 1, self.spec.pooling)


def pooled(sequence: Tensor, prefix: int, pooling: Pooling) -> Tensor:
    """Tokens [N, prefix + patches, D], class token first, then registers → [N, D] or [N, 2D]."""
    if pooling == "cls_and_patch_mean":
        return torch.cat([sequence[:, 0], sequence[:, prefix:].mean(dim=1)], dim=1)
    return sequence[:, 0]
