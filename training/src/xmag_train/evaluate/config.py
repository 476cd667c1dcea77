"""Configs of `xmag-train evaluate`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from xmag_train.config import Config
from xmag_train.mil.config import FitConfig
from xmag_train.mil.encode import EncoderConfig
from xmag_train.mil.heads import HeadName


class Arm(Config):
    """One way to see a slide: bags that a head is cross-validated on, or a run (its oof.csv) that did so itself.

    ``bags``: `{fold}` stands for the fold. ``site_bags``: the same for folds that are sites, numbered by name.
    Leave-one-site-out needs them where ``bags`` depend on the fold: those encoders saw the other sites' cases.
    ``optional``: of further arms, left out with a word in the report where the folder is not there.
    ``undistilled``: of further arms, the student before distillation, to tell what distilling was worth.
    """

    name: str
    bags: str | None = None
    site_bags: str | None = None
    run: Path | None = None
    optional: bool = False
    undistilled: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> "Arm":
        if (self.bags is None) == (self.run is None):
            raise ValueError(f"arm {self.name!r}: give either bags or run")
        return self

    def source(self) -> str:
        """The folder, as the config names it."""
        return str(self.run if self.bags is None else self.bags)

    def is_there(self) -> bool:
        """Whether the folder is there."""
        return _is_there(self.source())


class WholeSlides(Config):
    """Bags of `xmag-train embed`, by the very encoders of the student's ``bags``: every tile of a slide.

    ``bags``: their folder; `{fold}` stands for the fold. ``cases``: name of the bag → case; without it, every slide of
    the task, its bag named as in labels.csv. ``null`` in place of a case says that no fold holds it: the lowest fold's
    student and head, which never saw it either, judge it. ``optional``: left out with a word in the report where it is
    not there.
    """

    bags: str
    cases: dict[str, str | None] = Field(default_factory=dict)
    optional: bool = False

    def is_there(self) -> bool:
        """Whether the folder is there."""
        return _is_there(self.bags)


class MilTask(Config):
    """A cohort. ``arms``: further rows beside teacher and student, such as ablations.

    ``organ_column``: of labels.csv, for retrieval by organ; ``no_organ``: what in it says that none is known.
    ``scanner_pairs``: CSV (slide_a, slide_b) of the same glass on two scanners, with a column ``case`` for slides
    missing from labels.csv. Without it scanner shift is not measured. ``sampled_tiles``: bag sizes for logit drift,
    which is measured against the task's own bags and against ``whole_slides``. ``chosen_on``: folds that were looked at
    to choose the recipe. Their cases are no longer unseen, so same-case retrieval is also given without them.
    """

    kind: Literal["mil"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    task: str
    labels: list[str] = Field(min_length=2)
    positive_class: str | None = None
    labels_csv: Path
    folds_csv: Path
    head: HeadName = "gated_attention"
    fit: FitConfig = FitConfig()
    seed: int = 0
    teacher: Arm
    student: Arm
    arms: tuple[Arm, ...] = ()
    organ_column: str | None = None
    no_organ: tuple[str, ...] = ("", "unknown", "not stated", "site not stated")
    scanner_pairs: Path | None = None
    leave_one_site_out: bool = True
    sampled_tiles: tuple[int, ...] = (4, 8)
    whole_slides: WholeSlides | None = None
    chosen_on: tuple[int, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _one_undistilled(self) -> "MilTask":
        if self.teacher.undistilled or self.student.undistilled or sum(arm.undistilled for arm in self.arms) > 1:
            raise ValueError("undistilled is for one of the further arms: the student before distillation")
        return self

    def arms_there(self) -> list[Arm]:
        """Teacher, student and further arms, without optional ones whose folder is not there."""
        return [self.teacher, self.student, *(arm for arm in self.arms if arm.is_there() or not arm.optional)]


class TileTask(Config):
    """Tile-level linear probe: `<folder>/<label>/<picture>`, each picture a field of at least 448 µm at ``mpp`` µm/px.

    ``cases_csv`` (file, case) says which pictures belong together; without it each is a case of its own. ``device``:
    cpu, cuda or auto.
    """

    kind: Literal["tile"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    folder: Path
    mpp: float = Field(gt=0.0)
    cases_csv: Path | None = None
    folds: int = Field(default=5, ge=2)
    seed: int = 0
    teacher: EncoderConfig
    student: EncoderConfig
    device: str = "auto"
    note: str = ""


class SpeedConfig(Config):
    """Real slides, read by the service's reader under one tissue rule at both magnifications.

    ``timed_tiles``: so many are read and embedded at each magnification; seconds per slide follow from their number.
    """

    slides: list[Path] = Field(min_length=1)
    teacher: EncoderConfig
    student: EncoderConfig
    device: str = "cpu"
    timed_tiles: int = Field(default=128, ge=1)


class EvaluateConfig(Config):
    """All of a report."""

    title: str
    tasks: list[Annotated[MilTask | TileTask, Field(discriminator="kind")]] = Field(min_length=1)
    speed: SpeedConfig | None = None
    out: Path

    @model_validator(mode="after")
    def _names_differ(self) -> "EvaluateConfig":
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise ValueError("two tasks of one name")
        return self


def _is_there(pattern: str) -> bool:
    """Where it depends on the fold, the folder that holds the folds'."""
    return Path(pattern.partition("{fold}")[0]).is_dir()
