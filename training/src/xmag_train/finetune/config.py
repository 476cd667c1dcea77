"""Configs of `xmag-train finetune`."""

from pathlib import Path

from pydantic import Field

from xmag_train.config import Config
from xmag_train.mil.config import FitConfig
from xmag_train.mil.task import TaskConfig


class HeadStartConfig(FitConfig):
    """How the head is taught on the frozen student: always so many ``epochs``, none are chosen."""

    epochs: int = Field(default=7, ge=1)


class TuneConfig(Config):
    """How both learn. ``epochs``: None chooses one up to ``epochs_max`` on an inner part of the training cases.

    ``regions_per_bag``: drawn anew each time a slide is seen. ``distillation``: λ, the weight of 1 - cosine to the
    teacher beside the cross-entropy.
    """

    epochs: int | None = Field(default=None, ge=1)
    epochs_max: int = Field(default=6, ge=1)
    inner_folds: int = Field(default=4, ge=2)
    regions_per_bag: int = Field(default=8, ge=1)
    bags_per_step: int = Field(default=4, ge=1)
    student_learning_rate: float = Field(default=3e-5, gt=0.0)
    head_learning_rate: float = Field(default=3e-4, gt=0.0)
    weight_decay: float = Field(default=0.01, ge=0.0)
    clip_norm: float = Field(default=1.0, gt=0.0)
    distillation: float = Field(default=1.0, ge=0.0)


class FinetuneConfig(TaskConfig):
    """``student``: its `student.pt`; `{fold}` in it stands for the fold, and for ``all`` in the last fit.

    ``teacher_bags``: the teacher's embeddings of the same regions (`xmag-train bags`), the targets of distillation.
    ``head_fit``: how the head is taught on the frozen student first. ``keep_s``: the state is written after the first
    epoch that ends so many seconds after the last writing.
    """

    shards: Path
    student: str
    teacher_bags: Path
    head_fit: HeadStartConfig = HeadStartConfig()
    tune: TuneConfig = TuneConfig()
    instance: str = "one 448 µm region"
    device: str = "cpu"
    keep_s: float = Field(default=0.0, ge=0.0)
