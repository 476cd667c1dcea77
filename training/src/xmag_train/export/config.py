"""The YAML of `xmag-train export`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from app.inference.manifest import NAME_PATTERN
from xmag_train.config import Config


class HeadConfig(Config):
    """``checkpoint``: `head.pt` of a run of `mil` or `finetune`; ``metrics``: that run's `metrics.json`.

    ``measuring``: `folds/head-<held_out_fold>.pt` of that run, which goes with ``measuring_student``.
    ``validated`` is for a person to say, after looking at the figures: a head at chance is not.
    """

    checkpoint: Path
    metrics: Path
    measuring: Path | None = None
    intended_use: str = Field(min_length=1)
    validated: bool = False


class Int8Config(Config):
    """``calibration_tiles`` and ``measured_tiles``: at most so many, spread over the slides.

    ``keep_float``: parts of the student that stay in fp32, by the first names of their weights. None by default: a
    distilled EfficientNet-Lite0 loses little by it, and its first blocks in float took half of the time. With
    ImageNet's weights they lose more: for those keep stem, blocks.0 and blocks.1.
    """

    calibration_tiles: int = Field(default=128, ge=1)
    measured_tiles: int = Field(default=256, ge=2)
    keep_float: tuple[str, ...] = ()


class ReadingConfig(Config):
    """What the model asks of the reader. Each other way must have reached 0.98, else the manifest refuses it."""

    resample_filter: Literal["lanczos", "box"] = "lanczos"
    decoder_scaling: Literal["none", "dct"] = "none"
    level_tolerance: float = Field(default=0.0, ge=0.0, le=0.06)


class SlideReadingConfig(Config):
    """A whole slide and the `student.pt` of a run that never saw its ``case``, as folds.csv names it.

    ``in_no_fold``: no fold holds the case. With neither, the card says that it is not known whether the student saw it.
    """

    slide: Path
    student: Path
    case: str | None = None
    in_no_fold: bool = False

    @model_validator(mode="after")
    def _a_case_or_none(self) -> "SlideReadingConfig":
        if self.case is not None and self.in_no_fold:
            raise ValueError(f"{self.slide.name}: give either a case or in_no_fold")
        return self


class ProvenanceConfig(Config):
    """As the manifest has them."""

    teacher: str | None
    data: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    attribution: str = Field(min_length=1)


class DomainConfig(Config):
    """As the manifest has it."""

    stain: tuple[str, ...] = ("H&E",)
    preparation: tuple[str, ...] = ("FFPE",)
    organs: tuple[str, ...] = ()


class ExportConfig(Config):
    """All of a model.

    ``student``: its `student.pt`. ``measuring_student``: `student.pt` of a run that never saw the held-out cases. It
    gives the figures of reading; where ``student`` was refit on all, they then describe the procedure. For fp16, int8
    and the graphs' parity the worse of both students' figures counts. ``reading_slides``: whole slides on which
    reading is measured too; the lowest figure of all slides counts, whether read whole or as regions.
    ``report``: `report.json` of `evaluate`, whose figures go on the card.
    ``regions``: folder of shards. ``folds`` and ``held_out_fold``: int8 is calibrated on the other folds' cases, and
    measured, like fp16, reading and parity, on this one's. ``out``: the model's folder, named as the model.
    ``fp16``: whether that is written too.
    ``metrics``: file for all that was measured, on which tiles, and how long it took; `<out>.export.json` without it.
    ``card_notes``: paragraphs. ``teacher_not_adapted``: why the teacher was not adapted to tissue, for the card.
    """

    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(min_length=1)
    out: Path
    student: Path
    heads: tuple[HeadConfig, ...] = ()
    measuring_student: Path | None = None
    report: Path | None = None
    regions: Path
    folds: Path
    held_out_fold: int = Field(ge=0)
    int8: Int8Config | None = Int8Config()
    fp16: bool = True
    reading: ReadingConfig = ReadingConfig()
    reading_slides: tuple[SlideReadingConfig, ...] = ()
    domain: DomainConfig = DomainConfig()
    provenance: ProvenanceConfig
    card_notes: str = ""
    teacher_not_adapted: str = ""
    metrics: Path | None = None
    threads: int = Field(default=2, ge=1)

    def metrics_file(self) -> Path:
        """Beside the model's folder where the config names none: the folder holds what the service reads."""
        return self.out.with_name(f"{self.out.name}.export.json") if self.metrics is None else self.metrics
