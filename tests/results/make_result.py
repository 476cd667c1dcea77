"""A small, plausible SlideResult from synthetic pixels: pink tissue on white glass, attention known by formula."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from app.results.pictures.small_thumbnail import shrunk
from app.results.schema import (
    BagSizePart,
    BoundsPart,
    CalibrationPart,
    JobPart,
    ModelPart,
    PredictionPart,
    QcPart,
    ResultDocument,
    SlidePart,
    TilingPart,
    TopTilePart,
    VersionsPart,
)
from app.results.slide_result import HeadMap, SlideResult
from app.slides.types import DARK, PEN
from app.stated import Stated

SLIDE_SHA256 = "5" * 64
MANIFEST_SHA256 = "a" * 64
LABELS = ("normal", "tumour")
ACCEPTED_AT = datetime(2026, 3, 4, 5, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Recipe:
    """``columns`` × ``rows`` tiles from the slide's top left; one empty column and row after them. The share of tissue
    rises from ``least_tissue`` to 1.
    """

    columns: int = 4
    rows: int = 3
    mpp: float = 0.526
    thumbnail_px: int = 400
    attention_kind: str = "shared"
    tasks: tuple[str, ...] = ("mil",)
    labels: tuple[str, ...] = LABELS
    positive_class: str | None = "tumour"
    tile_scores: bool = False
    trained: bool = False
    validated: bool = False
    in_domain: bool = True
    outside: tuple[str, ...] = ()
    bounds: BoundsPart | None = None
    embedding_dim: int = 8
    least_tissue: float = 0.3
    warnings: list[str] = field(default_factory=list)


def make_result(recipe: Recipe | None = None) -> SlideResult:
    """Row i holds tile (i % columns, i // columns); shared attention is proportional to i + 1."""
    recipe = recipe or Recipe()
    size0 = 448.0 / recipe.mpp
    cells = np.array([(i, j) for j in range(recipe.rows) for i in range(recipe.columns)])
    coords = np.rint(cells * size0).astype(np.int64)
    width, height = round((recipe.columns + 1) * size0), round((recipe.rows + 1) * size0)
    thumbnail, mask = _pixels(recipe, width, height)
    attention = None if recipe.attention_kind == "none" else _attention(recipe, len(coords))
    scores = np.linspace(-1, 1, 2 * len(coords), dtype=np.float32).reshape(-1, 2) if recipe.tile_scores else None
    return SlideResult(
        document=make_document(recipe, len(coords), width, height, size0, attention),
        thumbnail=shrunk(thumbnail),
        tissue_mask=mask,
        artefacts=_artefacts(mask),
        sharpness=_sharpness(len(coords)),
        top_pictures=np.full((0 if attention is None else 1, 224, 224, 3), (222, 160, 200), np.uint8),
        coords=coords,
        tissue_fractions=np.linspace(recipe.least_tissue, 1.0, len(coords), dtype=np.float32),
        features=np.random.default_rng(1).standard_normal((len(coords), recipe.embedding_dim), dtype=np.float32),
        heads=tuple(HeadMap(task, recipe.labels, attention, scores) for task in recipe.tasks),
    )


def make_document(
    recipe: Recipe, n_tiles: int, width: int, height: int, size0: float, attention: np.ndarray | None
) -> ResultDocument:
    return ResultDocument(
        dicom=None,
        job=JobPart(id="01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11", attempt=1, created_at=ACCEPTED_AT),
        analysed_at=ACCEPTED_AT + timedelta(minutes=1),
        request=Stated(),
        slide=SlidePart(
            vendor="aperio",
            width_px=width,
            height_px=height,
            mpp=recipe.mpp,
            mpp_x=recipe.mpp,
            mpp_y=recipe.mpp,
            mpp_source="file",
            mpp_file=recipe.mpp,
            header_barcode=None,
            objective_power=20.0,
            bounds=recipe.bounds,
            size_bytes=12_345_678,
            sha256=SLIDE_SHA256,
        ),
        tiling=TilingPart(
            tile_px=224,
            tile_mpp=2.0,
            tile_size0_px=size0,
            columns=recipe.columns + 1,
            rows=recipe.rows + 1,
            tiles=(recipe.columns + 1) * (recipe.rows + 1),
            tissue_tiles=n_tiles,
            tissue_min=0.1,
            tissue_min_shown=0.3,
            tissue_area_mm2=round(n_tiles * 0.448**2, 3),
        ),
        qc=QcPart(
            pen_fraction=0.0,
            out_of_focus_fraction=0.02,
            dark_fraction=0.001,
            stain_he=True,
            warnings=recipe.warnings,
        ),
        predictions=[_prediction(recipe, task) for task in recipe.tasks],
        top_tiles=[] if attention is None else [_top_tile(recipe, attention[0], size0)],
        timings_s={"survey": 0.2, "read": 0.5, "embed": 1.0},
        model=ModelPart(
            name="xmag-lite0",
            version="0.1.0",
            manifest_sha256=MANIFEST_SHA256,
            student_sha256="b" * 64,
            head_sha256=dict.fromkeys(recipe.tasks, "c" * 64),
            precision="fp32",
            provider="CPUExecutionProvider",
            embedding_dim=recipe.embedding_dim,
            attention_legend="where the model looked",
        ),
        versions=VersionsPart(xmag_serve="0.1.0", python="3", openslide="4", onnxruntime="1", numpy="2", pillow="12"),
        warnings=recipe.warnings,
        research_use_only=True,
    )


def _prediction(recipe: Recipe, task: str) -> PredictionPart:
    shares = np.linspace(0.3, 0.7, len(recipe.labels))
    return PredictionPart(
        task=task,
        labels=list(recipe.labels),
        activation="softmax",
        kind="score_uncalibrated",
        probabilities=dict(zip(recipe.labels, map(float, shares / shares.sum()), strict=True)),
        logits=dict(zip(recipe.labels, map(float, np.log(shares)), strict=True)),
        positive_class=recipe.positive_class,
        top_label=recipe.labels[-1],
        calibration=CalibrationPart(status="none", temperature=1.0, threshold=None, n_cases=0),
        attention_kind=recipe.attention_kind,
        bag_size=BagSizePart(least_tiles=5, most_tiles=9),
        trained=recipe.trained,
        validated=recipe.validated,
        standing="untrained" if not recipe.trained else "validated" if recipe.validated else "not_validated",
        in_domain=recipe.in_domain,
        out_of_domain_reasons=recipe.outside,
        is_meaningful=recipe.in_domain or recipe.outside == ("bag_size_out_of_range",),
        intended_use="Telling tumour from normal in research.",
        statement="UNTRAINED model: research and integration testing only, no medical meaning. Not a diagnosis.",
    )


def _top_tile(recipe: Recipe, weights: np.ndarray, size0: float) -> TopTilePart:
    index = int(np.argmax(weights))
    return TopTilePart(
        task=recipe.tasks[0],
        rank=1,
        index=index,
        x0=round(index % recipe.columns * size0),
        y0=round(index // recipe.columns * size0),
        quantity="attention",
        value=float(weights[index]),
        percentile=100.0,
        label=None,
        tissue_fraction=0.834,
    )


def _attention(recipe: Recipe, n_tiles: int) -> np.ndarray:
    rising = np.arange(1, n_tiles + 1, dtype=np.float64)
    rows = [rising] if recipe.attention_kind == "shared" else [rising[::-1]] * (len(recipe.labels) - 1) + [rising]
    return np.stack([row / row.sum() for row in rows]).astype(np.float32)


def _artefacts(mask: np.ndarray) -> np.ndarray:
    """Ink in the lower right corner, which holds no tile, and a dark left half of the lowest row."""
    artefacts = np.zeros(mask.shape, np.uint8)
    artefacts[-1, : mask.shape[1] // 2] = DARK
    artefacts[-10:, -10:] = PEN
    return artefacts


def _sharpness(n_tiles: int) -> np.ndarray:
    """The first tile out of focus, the second in focus, the others not judged."""
    values = np.full(n_tiles, np.nan, np.float32)
    values[:2] = (0.1, 0.6)[:n_tiles]
    return values


def _pixels(recipe: Recipe, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    scale = recipe.thumbnail_px / max(width, height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    mask = np.zeros((h, w), dtype=np.bool_)
    mask[
        : max(1, round(h * recipe.rows / (recipe.rows + 1))), : max(1, round(w * recipe.columns / (recipe.columns + 1)))
    ] = True
    thumbnail = np.full((h, w, 3), 248, dtype=np.uint8)
    thumbnail[mask] = (222, 160, 200)
    return thumbnail, mask
