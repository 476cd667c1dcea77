"""result.json: the one schema of what a slide's analysis says. Unknown keys are refused when it is read back."""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.slides.identity import DicomIdentity
from app.stated import Stated

SCHEMA_VERSION: Literal[1] = 1
STAGES: Final = {
    "open": "opening the slide and reading its metadata",
    "survey": "thumbnail, tissue mask and grid",
    "model_wait": "waiting until the model is loaded",
    "read_wait": "waiting for tiles to be read and decoded, beside the embedding",
    "embed": "waiting for embeddings of tiles that were read, including other slides' turns at the device; "
    "not processor time",
    "qc": "focus and stain, from tiles that were read",
    "aggregate": "the heads",
    "top_tiles": "reading the top tiles once more",
    "hash_wait": "waiting for the slide's sha256, which is computed beside the rest",
    "thumbnail_wait": "waiting for the small thumbnail, which is drawn beside the rest",
    "total": "from opening to the last of these; neither fetching the slide nor writing the files",
}
"""What each entry of ``timings_s`` is, in seconds on the clock."""


class Part(BaseModel):
    """Base of all parts: frozen, no unknown keys, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BoundsPart(Part):
    """The scanner's non-empty region, level-0 px."""

    x0: int
    y0: int
    width: int
    height: int


class SlidePart(Part):
    """The slide as read."""

    vendor: str
    width_px: int = Field(description="level-0 width")
    height_px: int = Field(description="level-0 height")
    mpp: float = Field(description="µm/px at level 0, mean of x and y")
    mpp_x: float
    mpp_y: float
    mpp_source: Literal["request", "file", "objective_power"]
    mpp_file: float | None = Field(description="as stated by the file, even if not used; null if not stated")
    objective_power: float | None
    bounds: BoundsPart | None
    size_bytes: int
    header_barcode: str | None = Field(
        description="the label's barcode, as recorded in the file (SVS, SCN, Philips TIFF, CZI); null if there is none",
    )
    sha256: str = Field(description="of the file; of a multi-file slide, of its sorted list of sha256 and names")


class TilingPart(Part):
    """The 5x grid."""

    tile_px: int
    tile_mpp: float
    tile_size0_px: float = Field(description="side of a tile in level-0 px, not rounded")
    columns: int
    rows: int
    tiles: int = Field(description="tiles of the full grid")
    tissue_tiles: int = Field(description="tiles kept and analysed")
    tissue_min: float
    tissue_min_shown: float = Field(description="a tile with less tissue than this fraction has no colour and no rank")
    tissue_area_mm2: float = Field(description="area inside the tissue outline")


class QcPart(Part):
    """Quality figures, fractions of 0 to 1."""

    pen_fraction: float = Field(description="ink, of the slide's whole area")
    out_of_focus_fraction: float | None = Field(
        description="fraction of the tissue checked; null if none could be checked"
    )
    dark_fraction: float = Field(description="black borders, folds and dirt, of the slide's whole area")
    stain_he: bool | None = Field(
        description="whether tissue colours are those of H&E; null if there is too little tissue to tell"
    )
    warnings: list[str] = Field(description="warnings based on these figures; the result's `warnings` repeat them")


class CalibrationPart(Part):
    """How the probabilities were calibrated."""

    status: Literal["none", "temperature"]
    temperature: float
    threshold: float | None
    n_cases: int


class BagSizePart(Part):
    """Tiles per slide that a head was trained on. Outside them its score is less certain."""

    least_tiles: int
    most_tiles: int


Standing = Literal["untrained", "not_validated", "validated"]


class PredictionPart(Part):
    """One head's answer. ``kind`` is ``score_uncalibrated`` unless the head was calibrated."""

    task: str
    labels: list[str]
    activation: Literal["softmax", "sigmoid"]
    kind: Literal["probability", "score_uncalibrated"]
    probabilities: dict[str, float] = Field(description="label → 0 to 1; read `kind` before calling it a probability")
    logits: dict[str, float]
    positive_class: str | None
    top_label: str | None = Field(description="the highest label (softmax); null for sigmoid and untrained heads")
    calibration: CalibrationPart
    attention_kind: Literal["shared", "per_class", "none"]
    bag_size: BagSizePart
    trained: bool
    validated: bool
    standing: Standing = Field(description="summary of `trained` and `validated`")
    in_domain: bool = Field(description="false when stain, organ or bag size lie outside what the head knows")
    out_of_domain_reasons: tuple[str, ...] = Field(description="codes of the warnings that give the reasons")
    is_meaningful: bool = Field(
        description="false for another stain or organ: the numbers are not valid. An unusual amount of tissue only "
        "makes them less certain"
    )
    intended_use: str
    statement: str = Field(description="how far to trust the numbers, in words; show it beside every number")


class JobPart(Part):
    """The job that made the result."""

    id: str
    attempt: int = Field(description="number of the attempt that made these files, from 1")
    created_at: datetime = Field(description="when the job was accepted, UTC")


class TopTilePart(Part):
    """One of the highest tiles of the map that opens first. None is mostly glass."""

    task: str
    rank: int
    index: int = Field(description="row in embeddings.h5 and attention.geojson")
    x0: int
    y0: int
    quantity: Literal["attention", "tile_scores"] = Field(
        description="quantity of the ranking: tile_scores if the head gives them"
    )
    label: str | None = Field(description="class of the ranking; null for attention shared by all classes")
    value: float = Field(
        description="for tile_scores the head's logit of the tile; for attention the raw weight (sum 1 over the slide)"
    )
    percentile: float = Field(description="0 to 100, share of the slide's ranked tiles with an equal or lower value")
    tissue_fraction: float = Field(description="0 to 1, at least `tiling.tissue_min_shown`")


class ModelPart(Part):
    """What computed it."""

    name: str
    version: str
    manifest_sha256: str
    student_sha256: str
    head_sha256: dict[str, str]
    precision: str
    provider: str
    embedding_dim: int
    attention_legend: str


class VersionsPart(Part):
    """Software that made it."""

    xmag_serve: str
    python: str
    openslide: str
    onnxruntime: str
    numpy: str
    pillow: str


class ResultDocument(Part):
    """The whole of result.json."""

    schema_version: Literal[1] = SCHEMA_VERSION
    job: JobPart | None = Field(description="null from `xmag analyze`")
    analysed_at: datetime = Field(description="when this document was made, UTC")
    request: Stated = Field(description="as sent; case and slide, where none were sent, from the DICOM header")
    dicom: DicomIdentity | None = Field(description="identifiers in the slide's DICOM header; null for other formats")
    slide: SlidePart
    tiling: TilingPart
    qc: QcPart
    predictions: list[PredictionPart] = Field(min_length=1)
    top_tiles: list[TopTilePart]
    timings_s: dict[str, float] = Field(
        description="stage → seconds. " + "; ".join(f"`{stage}`: {meaning}" for stage, meaning in STAGES.items())
    )
    model: ModelPart
    versions: VersionsPart
    warnings: list[str] = Field(
        description="`code: sentence` each: branch on the code, show the sentence. Newer versions may know more codes"
    )
    research_use_only: bool
