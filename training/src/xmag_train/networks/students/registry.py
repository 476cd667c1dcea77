"""Students by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from xmag_train.networks.backbones.timm_import import published_vit
from xmag_train.networks.imagenet import load_imagenet
from xmag_train.networks.students.lite0 import Student
from xmag_train.networks.students.timm_students import VIT_BASE, VIT_SMALL, EfficientVitStudent, VitStudent
from xmag_train.networks.weights import Weights, download_weights, read_state_dict


@dataclass(frozen=True)
class StudentEntry:
    """``build``: an empty student. ``backbone``: the attribute that published weights fill; None for all of it.

    ``hub``: repository of those weights; None where a Python package brings them (weights "imagenet").
    """

    build: Callable[[], nn.Module]
    backbone: str | None
    hub: str | None


LEAN = (1.0, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75)
STUDENTS: dict[str, StudentEntry] = {
    "efficientnet_lite0": StudentEntry(Student, None, None),
    "efficientnet_lite0_160": StudentEntry(lambda: Student(side_px=160), None, None),
    "efficientnet_lite0_192": StudentEntry(lambda: Student(side_px=192), None, None),
    # Without one block of each run of repeats that a tile's embedding changes least by (docs/recipe.md).
    "efficientnet_lite0_192_short": StudentEntry(lambda: Student(192, left_out=(4, 7, 10)), None, None),
    # That with fewer hidden channels, fewest where the maps are large.
    "efficientnet_lite0_192_lean": StudentEntry(lambda: Student(192, (4, 7, 10), LEAN), None, None),
    "efficientvit_m2": StudentEntry(EfficientVitStudent, "net", "timm/efficientvit_m2.r224_in1k"),
    "dinov2_vits14": StudentEntry(lambda: VitStudent(VIT_SMALL), "vit", "timm/vit_small_patch14_dinov2.lvd142m"),
    "dinov2_vitb14": StudentEntry(lambda: VitStudent(VIT_BASE), "vit", "timm/vit_base_patch14_dinov2.lvd142m"),
}


def build_student(name: str, weights: Weights) -> nn.Module:
    """The student ``name``: uint8 [N, 224, 224, 3] → (embedding float [N, D], tokens float [N, 4, 4, D]).

    It has the attribute ``embedding_dim`` (D). weights: ``imagenet`` (EfficientNet-Lite0), ``hub`` (the others),
    ``random``, or a file: published weights of the backbone, or a state dict of the whole student.
    ValueError for a name or weights that there are not.
    """
    if name not in STUDENTS:
        raise ValueError(f"no student {name!r}: there are {', '.join(STUDENTS)}")
    entry = STUDENTS[name]
    student = entry.build()
    if isinstance(weights, Path):
        fill_student(student, entry, read_state_dict(weights))
    elif weights == "hub" and entry.hub is not None:
        fill_student(student, entry, read_state_dict(download_weights(entry.hub)))
    elif weights == "imagenet" and isinstance(student, Student):
        load_imagenet(student)
    elif weights != "random":
        raise ValueError(f"{name} has no weights {weights!r}: take {'hub' if entry.hub else 'imagenet'} or a file")
    return student


def fill_student(student: nn.Module, entry: StudentEntry, state: dict[str, Tensor]) -> None:
    """Put ``state`` into the student: the whole student's names, or the published ones of its backbone. Strict."""
    if entry.backbone is None or any(key.startswith(f"{entry.backbone}.") for key in state):
        student.load_state_dict(student.fitting(state) if isinstance(student, Student) else state, strict=True)
        return
    backbone = student.get_submodule(entry.backbone)
    backbone.load_state_dict(adapted(backbone, state), strict=True)


def adapted(backbone: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Published weights in the backbone's form: without the classifier, a vision transformer's fitted to 224 px."""
    if hasattr(backbone, "pos_embed"):
        return published_vit(state, backbone)
    return {key: value for key, value in state.items() if not key.startswith("head.")}
