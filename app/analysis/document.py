"""Builds the result document of one analysis from what slides and inference found."""

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import openslide
import PIL

from app.analysis.prediction import bag_warning, domain_warnings, predict
from app.inference.mil_head import HeadOutput
from app.inference.model import Model
from app.inference.runtime import onnxruntime
from app.results.schema import (
    BoundsPart,
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
from app.results.slide_result import TISSUE_MIN_SHOWN
from app.results.wording import attention_legend
from app.slides.types import SlideInfo, SlideQc, Survey
from app.stated import Stated
from app.warning import coded

MPP_DIFFERENCE = 0.02
PEN_WARNING, DARK_WARNING, OUT_OF_FOCUS_WARNING = 0.02, 0.02, 0.20


def build_document(
    *,
    model: Model,
    info: SlideInfo,
    survey: Survey,
    outputs: dict[str, HeadOutput],
    tops: list[TopTilePart],
    differences: Iterable[str],
    job: JobPart | None,
    stated: Stated,
    sha256: str,
    size_bytes: int,
    timings_s: dict[str, float],
) -> ResultDocument:
    """The document. ``survey.qc`` is complete. ``differences``: warnings of ``app.identity``."""
    outside = domain_warnings(
        model.manifest.domain, stain=stated.stain, organ=stated.organ, stain_he=survey.qc.stain_he
    )
    qc = _qc_part(survey.qc)
    warnings = [*differences, *_mpp_warnings(info), *survey.warnings, *qc.warnings, *outside]
    predictions: list[PredictionPart] = []
    for task, output in outputs.items():
        head = model.heads[task].head
        odd_bag = bag_warning(head, len(survey.coords))
        if odd_bag is not None:
            warnings.append(odd_bag)
        predictions.append(predict(head, output, outside=[*outside, *([] if odd_bag is None else [odd_bag])]))
    return ResultDocument(
        job=job,
        analysed_at=datetime.now(UTC),
        request=stated,
        dicom=info.identity,
        slide=_slide_part(info, sha256, size_bytes),
        tiling=_tiling_part(model, survey),
        qc=qc,
        predictions=predictions,
        top_tiles=tops,
        timings_s={stage: round(seconds, 4) for stage, seconds in timings_s.items()},
        model=_model_part(model, predictions),
        versions=_versions_part(),
        warnings=warnings,
        research_use_only=not all(part.validated for part in predictions),
    )


def _mpp_warnings(info: SlideInfo) -> list[str]:
    if info.mpp_file is None or abs(info.mpp_file - info.mpp) <= MPP_DIFFERENCE * info.mpp:
        return []
    sentence = (
        f"the request gives {info.mpp:.4g} µm/px, but the file gives {info.mpp_file:.4g}. The request's value was "
        "used: if it is wrong, all sizes and the prediction are wrong."
    )
    return [coded("mpp_differs", sentence)]


def _slide_part(info: SlideInfo, sha256: str, size_bytes: int) -> SlidePart:
    bounds = info.bounds
    return SlidePart(
        vendor=info.vendor,
        width_px=info.width,
        height_px=info.height,
        mpp=info.mpp,
        mpp_x=info.mpp_x,
        mpp_y=info.mpp_y,
        mpp_source=info.mpp_source,
        mpp_file=info.mpp_file,
        objective_power=info.objective_power,
        header_barcode=info.barcode,
        bounds=None
        if bounds is None
        else BoundsPart(x0=bounds.x0, y0=bounds.y0, width=bounds.width, height=bounds.height),
        size_bytes=size_bytes,
        sha256=sha256,
    )


def _tiling_part(model: Model, survey: Survey) -> TilingPart:
    return TilingPart(
        tile_px=model.manifest.tile_px,
        tile_mpp=model.manifest.mpp,
        tile_size0_px=survey.tile_size0,
        columns=survey.grid_columns,
        rows=survey.grid_rows,
        tiles=survey.grid_columns * survey.grid_rows,
        tissue_tiles=len(survey.coords),
        tissue_min=model.manifest.tissue_min,
        tissue_min_shown=TISSUE_MIN_SHOWN,
        tissue_area_mm2=survey.tissue_area_mm2,
    )


def _qc_part(qc: SlideQc) -> QcPart:
    warnings = []
    if qc.pen_fraction > PEN_WARNING:
        sentence = (
            f"ink covers {100 * qc.pen_fraction:.0f} % of the slide. It is not counted as tissue, but tiles that "
            "contain enough tissue were analysed with their ink."
        )
        warnings.append(coded("pen_ink", sentence))
    if qc.dark_fraction > DARK_WARNING:
        sentence = f"{100 * qc.dark_fraction:.0f} % of the slide is black or too dark and is not counted as tissue."
        warnings.append(coded("dark_area", sentence))
    if qc.out_of_focus_fraction is not None and qc.out_of_focus_fraction > OUT_OF_FOCUS_WARNING:
        sentence = f"{100 * qc.out_of_focus_fraction:.0f} % of the tissue looks blurred; consider a rescan."
        warnings.append(coded("out_of_focus", sentence))
    return QcPart(
        pen_fraction=qc.pen_fraction,
        out_of_focus_fraction=qc.out_of_focus_fraction,
        dark_fraction=qc.dark_fraction,
        stain_he=qc.stain_he,
        warnings=warnings,
    )


def _model_part(model: Model, predictions: list[PredictionPart]) -> ModelPart:
    manifest = model.manifest
    legends = [attention_legend(part) for part in predictions]
    return ModelPart(
        name=manifest.name,
        version=manifest.version,
        manifest_sha256=model.manifest_sha256,
        student_sha256=manifest.variant(model.precision).file.sha256,
        head_sha256={part.task: manifest.head(part.task).file.sha256 for part in predictions},
        precision=model.precision,
        provider=model.provider,
        embedding_dim=manifest.embedding_dim,
        attention_legend=" ".join(dict.fromkeys(legends)),
    )


def _versions_part() -> VersionsPart:
    return VersionsPart(
        xmag_serve=version("xmag-serve"),
        python=platform.python_version(),
        openslide=openslide.__library_version__,
        onnxruntime=onnxruntime.__version__,
        numpy=np.__version__,
        pillow=PIL.__version__,
    )
