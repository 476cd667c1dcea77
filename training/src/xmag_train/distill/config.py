"""The YAML of `xmag-train distill`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from xmag_train.config import Config
from xmag_train.distill.losses import TEMPERATURE
from xmag_train.distill.views.readings import Reading
from xmag_train.distill.views.view import AugmentConfig


class TeacherConfig(Config):
    """``weights``: imagenet, hub, random or a file. ``mode``: cached computes ``views`` views of each region once."""

    name: str = "efficientnet_lite2"
    weights: str = "imagenet"
    mode: Literal["cached", "live"] = "cached"
    views: int = Field(default=2, ge=1)
    normalise: Literal["none", "centre", "standardise", "half_whiten"] = "centre"


class StudentConfig(Config):
    """``projector_hidden``: width of the heads that are dropped at export."""

    name: str = "efficientnet_lite0"
    weights: str = "imagenet"
    projector_hidden: int = Field(default=1024, ge=1)


class LossConfig(Config):
    """Weights of the losses, and the forms of the local and the relational one.

    ``consistency_weight`` wants ``paired_readings``. ``relational_centre_student``: whether the student's neighbours
    are by cosines from the batch's mean, or by plain ones as in retrieval; the temperatures are of cosines.
    """

    global_weight: float = Field(default=1.0, ge=0.0)
    local_weight: float = Field(default=0.5, ge=0.0)
    local: Literal["cosine", "kl"] = "cosine"
    relational_weight: float = Field(default=0.0, ge=0.0)
    relational_centre_student: bool = True
    relational_student_temperature: float = Field(default=TEMPERATURE, gt=0.0)
    relational_teacher_temperature: float = Field(default=TEMPERATURE, gt=0.0)
    consistency_weight: float = Field(default=0.0, ge=0.0)


class OptimConfig(Config):
    """AdamW. ``epochs`` are passes over the regions; ``batch_regions`` counts all processes."""

    epochs: int = Field(default=30, ge=1)
    batch_regions: int = Field(default=16, ge=2)
    views_per_region: int = Field(default=2, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0.0)
    weight_decay: float = Field(default=0.05, ge=0.0)
    warmup_epochs: float = Field(default=1.0, ge=0.0)
    clip_norm: float = Field(default=1.0, gt=0.0)
    ema_decay: float = Field(default=0.999, ge=0.0, lt=1.0)


class DistillConfig(Config):
    """All of a run. ``regions``: folder of shards. ``leave_out_cases`` and the fold are never looked at in training.

    ``devices`` (of a machine), ``num_nodes`` (machines) and ``precision`` are Lightning Fabric's; `torchrun`'s
    counts replace the first two. ``extra_symmetry``: a further mirroring or turn of the 5x tile, with the targets'
    grid moved along. It teaches the student to ignore orientation, without further work of the teacher.
    ``paired_readings``: both draws of a region (``views_per_region`` is 2) are the same view and symmetry. One is in
    the first of ``readings``, and the other is in a later one. A reading named twice is drawn twice as often.
    ``disturb_probability``: that a tile's sharpness and compression are changed (of a pair the second one's).
    """

    regions: Path
    out: Path
    cache: Path
    folds: Path | None = None
    leave_out_fold: int | None = None
    leave_out_cases: tuple[str, ...] = ()
    teacher: TeacherConfig = TeacherConfig()
    student: StudentConfig = StudentConfig()
    augment: AugmentConfig = AugmentConfig()
    readings: tuple[Reading, ...] = ("lanczos", "area", "dct", "pyramid")
    extra_symmetry: bool = True
    paired_readings: bool = False
    disturb_probability: float = Field(default=0.0, ge=0.0, le=1.0)
    collage_probability: float = Field(default=0.0, ge=0.0, le=1.0)
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    accelerator: Literal["cpu", "cuda", "auto"] = "auto"
    devices: int | Literal["auto"] = 1
    num_nodes: int | None = Field(default=None, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "bf16-mixed"
    threads: int = Field(default=2, ge=1)
    checkpoint_steps: int = Field(default=50, ge=1)
    log_steps: int = Field(default=10, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _pairs_fit(self) -> Self:
        if self.paired_readings and (self.optim.views_per_region != 2 or len(self.readings) < 2):
            raise ValueError("paired_readings needs views_per_region 2 and at least two readings")
        if self.loss.consistency_weight > 0.0 and not self.paired_readings:
            raise ValueError("consistency_weight needs paired_readings")
        return self

    def learning_json(self) -> str:
        """All that decides what is learned, but the weights, whose content does and not the place.

        A run may be moved, and go on with other threads or more logging.
        """
        rest = ("regions", "out", "cache", "folds", "num_nodes", "threads", "checkpoint_steps", "log_steps")
        weights = {"teacher": {"weights"}, "student": {"weights"}}
        return self.model_dump_json(exclude={**dict.fromkeys(rest, True), **weights})
