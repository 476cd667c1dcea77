"""The parts of a model's manifest. ``app.inference.manifest`` joins them and hands them on."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

READER_COSINE_MIN = 0.98
CALIBRATION_CASES_MIN = 100
CALIBRATION_CLASS_MIN = 30

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
TaskName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Cosine = Annotated[float, Field(ge=-1.0, le=1.0)]
Text = Annotated[str, StringConstraints(min_length=1)]
Precision = Literal["fp32", "fp16", "int8"]


class Part(BaseModel):
    """Base of all parts: frozen, unknown keys, NaN and values of another type ("yes" for true) refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


class ModelFile(Part):
    """A file of the model's folder."""

    name: FileName
    sha256: Sha256


class Reading(Part):
    """How tiles are read. ``level_tolerance`` 0.06 lets a level be 6 % coarser than ``mpp``.

    ``reader_cosine``: for every way other than the default, the median cosine to level-0 LANCZOS, measured on the
    real slide where it is lowest. Keys: ``box`` (that filter), ``coarse_level`` (a level within the tolerance),
    ``dct`` (``decoder_scaling``: the JPEG decoder halves what is twice as fine as wanted). What the manifest asks for
    must have reached 0.98.
    """

    level_rule: Literal["coarsest_at_or_below"] = "coarsest_at_or_below"
    level_tolerance: float = Field(default=0.0, ge=0.0, le=0.06)
    resample_filter: Literal["lanczos", "box"] = "lanczos"
    decoder_scaling: Literal["none", "dct"] = "none"
    icc_transform: Literal["none"] = "none"
    transparent: Literal["slide_background"] = "slide_background"
    reader_cosine: dict[str, Cosine] = {}

    @model_validator(mode="after")
    def _other_ways_are_measured(self) -> "Reading":
        if self.level_tolerance > 0 and not self.allows("coarse_level"):
            raise ValueError("level_tolerance above 0 needs reader_cosine coarse_level of at least 0.98")
        if self.resample_filter == "box" and not self.allows("box"):
            raise ValueError("resample_filter box needs reader_cosine box of at least 0.98")
        if self.decoder_scaling == "dct" and not self.allows("dct"):
            raise ValueError("decoder_scaling dct needs reader_cosine dct of at least 0.98")
        return self

    def allows(self, way: str) -> bool:
        """Whether a way of reading other than the default was measured to be near enough to it."""
        return self.reader_cosine.get(way, -1.0) >= READER_COSINE_MIN


class Domain(Part):
    """What the model was made for; an empty list of organs means that none was singled out."""

    stain: list[Text]
    preparation: list[Text]
    organs: list[Text]


class Fidelity(Part):
    """Measured against fp32 on held-out tiles: median cosine of embeddings, largest change of a slide's score."""

    cosine_median: Cosine
    cosine_min: Cosine
    score_change_max: float | None = Field(ge=0.0, le=1.0)
    n_tiles: int = Field(ge=1)
    n_slides: int = Field(ge=1)


class Golden(Part):
    """What the student gives for the golden tile (``app.inference.golden``): proof that it computes here as there.

    ``values``: signed sums of the embedding's components (``golden_values``); ``norm``: its Euclidean norm;
    ``tolerance``: allowed error of a value, as a fraction of the embedding's root mean square, and of the norm, as a
    fraction of itself.
    """

    values: list[float] = Field(min_length=8)
    norm: float = Field(gt=0.0)
    tolerance: float = Field(gt=0.0, le=0.2)


class Variant(Part):
    """One precision of the student. ``fidelity`` is None for fp32 alone."""

    precision: Precision
    file: ModelFile
    golden: Golden
    fidelity: Fidelity | None = None

    @model_validator(mode="after")
    def _reduced_precision_is_measured(self) -> "Variant":
        if self.precision != "fp32" and self.fidelity is None:
            raise ValueError(f"variant {self.precision} has no measured fidelity")
        return self


class Calibration(Part):
    """Below 100 cases or 30 of the rarest class: status none, temperature 1, no threshold."""

    status: Literal["none", "temperature"] = "none"
    temperature: float = Field(default=1.0, gt=0.0)
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    n_cases: int = Field(default=0, ge=0)
    n_cases_rarest_class: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _none_means_none(self) -> "Calibration":
        if self.status == "none" and (self.temperature != 1.0 or self.threshold is not None):
            raise ValueError("calibration status none allows neither a temperature nor a threshold")
        enough = self.n_cases >= CALIBRATION_CASES_MIN and self.n_cases_rarest_class >= CALIBRATION_CLASS_MIN
        if self.status != "none" and not enough:
            raise ValueError("calibration needs at least 100 cases, and 30 of the rarest class")
        return self


class Metric(Part):
    """A measured figure with its interval and the data it was measured on."""

    name: Text
    value: float
    ci_low: float | None
    ci_high: float | None
    data: Text
    n_cases: int = Field(ge=1)


class Head(Part):
    """One MIL head. ``bag_size_min`` and ``bag_size_max``: tiles per slide that it was trained on."""

    task: TaskName
    file: ModelFile
    student_sha256: Sha256 = Field(description="sha256 of the fp32 student it was trained on")
    labels: list[Text] = Field(min_length=2)
    activation: Literal["softmax", "sigmoid"]
    positive_class: str | None
    attention_kind: Literal["shared", "per_class", "none"]
    bag_size_min: int = Field(ge=1)
    bag_size_max: int = Field(ge=1)
    calibration: Calibration
    metrics: list[Metric] = []
    intended_use: Text
    trained: bool
    validated: bool

    @model_validator(mode="after")
    def _consistent(self) -> "Head":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"task {self.task}: labels repeat")
        if self.positive_class is not None and self.positive_class not in self.labels:
            raise ValueError(f"task {self.task}: positive_class is not a label")
        if self.bag_size_min > self.bag_size_max:
            raise ValueError(f"task {self.task}: bag_size_min exceeds bag_size_max")
        if self.validated and not self.trained:
            raise ValueError(f"task {self.task}: validated without being trained")
        if not self.trained and (self.calibration.status != "none" or self.metrics):
            raise ValueError(f"task {self.task}: calibration or metrics of a head that was not trained")
        return self


class Provenance(Part):
    """Where it came from; ``config`` is the command that made it, ``commit`` the source it was made by."""

    teacher: str | None
    data: Text
    config: Text
    commit: Text
    licence: Text
    attribution: Text
