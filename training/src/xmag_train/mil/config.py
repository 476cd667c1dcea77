"""Configs of `xmag-train mil`."""

from pathlib import Path

from pydantic import Field, model_validator

from xmag_train.config import Config
from xmag_train.mil.heads import HeadName


class FitConfig(Config):
    """How a head learns. AdamW at a constant rate, so that an epoch count means the same in every fold.

    ``tile_keep``: share of a bag's tiles drawn anew for each pass; ``tiles_max``: no more than so many.
    ``epochs``: None lets inner folds choose one up to ``epochs_max``.
    """

    hidden: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0.0)
    weight_decay: float = Field(default=0.01, ge=0.0)
    bags_per_step: int = Field(default=8, ge=1)
    tile_keep: float = Field(default=0.75, gt=0.0, le=1.0)
    tiles_max: int = Field(default=4096, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    epochs_max: int = Field(default=40, ge=1)
    inner_folds: int = Field(default=3, ge=2)


class MilConfig(Config):
    """One task, one head.

    ``bags``: folder of `<slide>.h5`; `{fold}` in it stands for the fold's number, where every fold has an encoder of
    its own, and for ``all`` in the last fit. ``labels``: in order; ``positive_class`` is one of them.
    ``instance``: what an instance is, for the model card.
    """

    task: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    labels: list[str] = Field(min_length=2)
    positive_class: str | None = None
    labels_csv: Path
    folds_csv: Path
    bags: str
    head: HeadName = "gated_attention"
    fit: FitConfig = FitConfig()
    instance: str = "5x tile"
    fit_all: bool = True
    seed: int = 0
    out: Path

    @model_validator(mode="after")
    def _positive_is_a_label(self) -> "MilConfig":
        if self.positive_class is not None and self.positive_class not in self.labels:
            raise ValueError(f"positive_class {self.positive_class!r} is none of {self.labels}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        return self
