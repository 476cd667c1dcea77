"""Teachers by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from xmag_train.machine import compute_in_full_precision
from xmag_train.networks.imagenet import LITE2_FILE, load_imagenet
from xmag_train.networks.teachers.catalogue import TEACHERS
from xmag_train.networks.teachers.networks import (
    EfficientNetLiteTeacher,
    Teacher,
    TimmVitTeacher,
    TransformersDinov2Teacher,
)
from xmag_train.networks.teachers.spec import TeacherSpec
from xmag_train.networks.weights import Weights, download_weights, read_state_dict

__all__ = ["Teacher", "build_teacher", "teacher_spec"]

_FAMILIES: dict[str, Callable[..., Teacher]] = {
    "efficientnet_lite": EfficientNetLiteTeacher,
    "timm_vit": TimmVitTeacher,
    "transformers_dinov2": TransformersDinov2Teacher,
}


def teacher_spec(name: str) -> TeacherSpec:
    """The facts of teacher ``name``. ValueError if there is none."""
    if name not in TEACHERS:
        raise ValueError(f"no teacher {name!r}: there are {', '.join(TEACHERS)}")
    return TEACHERS[name]


def build_teacher(name: str, weights: Weights, tell: Callable[[str], None] = typer.echo, **overrides: Any) -> Teacher:
    """The teacher ``name``, frozen and in eval form: uint8 [N, 224, 224, 3] → float [N, ``spec.dim``].

    ``weights``: ``imagenet`` (EfficientNet-Lite2), ``hub`` (the others), ``random``, or a file of published weights.
    fp32 is computed in full precision, on a GPU too.
    ``tell``: gets the terms of gated or non-commercial weights before they are read. ``overrides``: of the
    architecture, for tests. ValueError for an unknown name or unknown weights.
    """
    compute_in_full_precision()
    spec = teacher_spec(name)
    teacher = _FAMILIES[spec.family](spec, **overrides)
    notice = spec.notice()
    if notice is not None and weights != "random":
        tell(notice)
    if isinstance(weights, Path):
        fill_teacher(teacher, weights)
    elif weights == "hub" and spec.family != "efficientnet_lite":
        fill_teacher(teacher, download_weights(spec.source))
    elif weights == "imagenet" and isinstance(teacher, EfficientNetLiteTeacher):
        load_imagenet(teacher.backbone, LITE2_FILE)
    elif weights != "random":
        own = "imagenet" if spec.family == "efficientnet_lite" else "hub"
        raise ValueError(f"{name} has no weights {weights!r}: take {own} or a file")
    return teacher.eval().requires_grad_(False)


def fill_teacher(teacher: Teacher, path: Path) -> None:
    """Put the published weights of ``path`` into ``teacher``. Strict: RuntimeError names what does not fit."""
    teacher.backbone.load_state_dict(teacher.from_published(read_state_dict(path)), strict=True)
