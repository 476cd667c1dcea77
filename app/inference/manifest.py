"""models/<name>/manifest.json: what a model is, what it was measured to do, and how it wants its tiles.

Imports without onnxruntime, so that training and the API can read it. Unknown keys are refused: a manifest
that says more than this reader knows was written for another version.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
TaskName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Part(BaseModel):
    """Base of all parts: frozen, unknown keys and NaN refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class ModelFile(Part):
    """A file of the model's folder."""

    name: FileName
    sha256: Sha256


class Reading(Part):
    """How tiles are read. ``level_tolerance`` 0.06 lets a level be 6 % coarser than ``mpp``.

    ``reader_cosine``: measured median cosine to level-0 LANCZOS for ways other than the default (reader → cosine).
    """

    level_rule: Literal["coarsest_at_or_below"] = "coarsest_at_or_below"
    level_tolerance: float = Field(default=0.0, ge=0.0, le=0.06)
    resample_filter: Literal["lanczos", "box"] = "lanczos"
    icc_transform: Literal["none"] = "none"
    transparent: Literal["slide_background"] = "slide_background"
    reader_cosine: dict[str, float] = {}


class Domain(Part):
    """What the model was made for; an empty list of organs means that none was singled out."""

    stain: list[str]
    preparation: list[str]
    organs: list[str]


class Fidelity(Part):
    """Measured against fp32 on held-out tiles: median cosine of embeddings, largest change of a slide's score."""

    cosine_median: float
    cosine_min: float
    score_change_max: float | None
    n_tiles: int
    n_slides: int


class Variant(Part):
    """One precision of the student. ``fidelity`` is None for fp32 alone."""

    precision: Literal["fp32", "fp16", "int8"]
    file: ModelFile
    fidelity: Fidelity | None = None

    @model_validator(mode="after")
    def _reduced_precision_is_measured(self) -> "Variant":
        if self.precision != "fp32" and self.fidelity is None:
            raise ValueError(f"variant {self.precision} has no measured fidelity")
        return self


class Calibration(Part):
    """Below 100 cases or 30 per class: status none, temperature 1, no threshold."""

    status: Literal["none", "temperature"] = "none"
    temperature: float = Field(default=1.0, gt=0.0)
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    n_cases: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _none_means_none(self) -> "Calibration":
        if self.status == "none" and (self.temperature != 1.0 or self.threshold is not None):
            raise ValueError("calibration status none allows neither a temperature nor a threshold")
        if self.status != "none" and self.n_cases < 100:
            raise ValueError("calibration needs at least 100 cases")
        return self


class Metric(Part):
    """A measured figure with its interval and the data it was measured on."""

    name: str
    value: float
    ci_low: float | None
    ci_high: float | None
    data: str
    n_cases: int


class Head(Part):
    """One MIL head."""

    task: TaskName
    file: ModelFile
    student_sha256: Sha256 = Field(description="sha256 of the fp32 student it was trained on")
    labels: list[str] = Field(min_length=2)
    activation: Literal["softmax", "sigmoid"]
    positive_class: str | None
    attention_kind: Literal["shared", "per_class", "none"]
    bag_size_min: int = Field(ge=1)
    bag_size_max: int = Field(ge=1)
    calibration: Calibration
    metrics: list[Metric] = []
    intended_use: str = Field(min_length=1)
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
        return self


class Provenance(Part):
    """Where it came from."""

    teacher: str | None
    data: str
    config: str
    commit: str
    licence: str
    attribution: str


class Manifest(Part):
    """The whole of manifest.json.

    ``tile_px`` and ``mpp``: side and resolution of the input tile (224 px at 2.0 µm/px).
    """

    schema_version: Literal[1]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    version: str
    tile_px: int = Field(ge=32, le=1024)
    mpp: float = Field(gt=0.0)
    embedding_dim: int = Field(ge=1)
    tissue_min: float = Field(gt=0.0, le=1.0)
    reading: Reading
    domain: Domain
    student: list[Variant] = Field(min_length=1)
    heads: list[Head] = Field(min_length=1)
    provenance: Provenance

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        precisions = [variant.precision for variant in self.student]
        if "fp32" not in precisions or len(set(precisions)) != len(precisions):
            raise ValueError("exactly one variant per precision, fp32 among them")
        tasks = [head.task for head in self.heads]
        if len(set(tasks)) != len(tasks):
            raise ValueError("two heads of the same task")
        student = self.variant("fp32").file.sha256
        for head in self.heads:
            if head.student_sha256 != student:
                raise ValueError(f"head {head.task} was trained on another student")
        return self

    def variant(self, precision: str) -> Variant:
        """The student's variant of that precision; KeyError if the model has none."""
        for variant in self.student:
            if variant.precision == precision:
                return variant
        raise KeyError(precision)

    def head(self, task: str) -> Head:
        """The head of that task; KeyError if the model has none."""
        for head in self.heads:
            if head.task == task:
                return head
        raise KeyError(task)
