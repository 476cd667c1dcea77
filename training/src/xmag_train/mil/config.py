"""Configs of `xmag-train mil`."""

from pydantic import Field

from xmag_train.config import Config
from xmag_train.mil.task import TaskConfig


class FitConfig(Config):
    """How a head learns. AdamW at a constant rate, so that an epoch count means the same in every fold.

    ``tile_keep``: share of a bag's tiles drawn anew for each pass; ``tiles_max``: no more than so many.
    ``epochs``: None lets inner folds choose one up to ``epochs_max``. ``keep_s``: a fit's state is written after the
    first epoch that ends so many seconds after the last writing; it decides nothing of the result.
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
    keep_s: float = Field(default=20.0, ge=0.0)


class MilConfig(TaskConfig):
    """One task, one head, on bags that exist.

    ``bags``: folder of `<slide>.h5`; `{fold}` in it stands for the fold's number, where every fold has an encoder of
    its own, and for ``all`` in the last fit.
    """

    bags: str
    fit: FitConfig = FitConfig()
