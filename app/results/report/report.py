"""What the report says, in its order and its words; report_pdf.py and report_html.py set it.

It names a slide by its hash and the barcode in the request. It contains no patient, file name or context, and no case
unless requested.
The same result gives the same report.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import get_args

import numpy as np

from app.results import wording
from app.results.cautions import foremost, other_warnings
from app.results.heads import ShownMap, shown_map
from app.results.pictures.scales import PERCENTILE_ROW, VALUE_ROWS, figure, figures_sentence, tick_labels
from app.results.schema import PredictionPart, ResultDocument, Standing, TopTilePart
from app.results.slide_result import TileMaps
from app.stated import Stated

Row = tuple[str, str]
ANSWERS_MAX, LABELS_MAX = 3, 5
"""What one page can hold in letters that can be read; the result has all."""


@dataclass(frozen=True)
class Subject:
    """Which job it is about. ``slide_id``: the container's barcode, where the request gave it.

    ``stated``: None unless the case is requested; ``slide_id`` may then come from the slide's header.
    """

    job_id: str
    slide_id: str | None
    finished_at: datetime
    stated: Stated | None = None


@dataclass(frozen=True)
class Answer:
    """One prediction: its numbers (label → 0 to 1, in the model's order), what kind they are, what they are worth.

    ``counts``: false where the slide lies outside what the head knows, so that the numbers are not valid of it.
    """

    task: str
    kind: str
    counts: bool
    values: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TopTile:
    """One picture of the strip. ``captions``: its number on the map, and its share of tissue."""

    rank: int
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """A page.

    ``foremost``: what makes its scores doubtful, empty where nothing does; ``banner``: what the model is worth.
    ``scale_names``: what the two rows of ``ticks`` are, (percentile, number) in words along the colour scale; empty
    without a map.
    ``stated``: empty unless the case was asked for. ``slide`` and ``model``: technical details.
    """

    title: str
    finished_at: datetime
    software: str
    foremost: str
    standing: Standing
    banner: str
    identity: tuple[Row, ...]
    stated: tuple[Row, ...]
    answers: tuple[Answer, ...]
    map_title: str
    map_legend: str
    extent: str
    scale_names: tuple[str, str]
    ticks: tuple[tuple[str, str], ...]
    quality: tuple[Row, ...]
    warnings: tuple[str, ...]
    top_title: str
    top_tiles: tuple[TopTile, ...]
    slide: tuple[Row, ...]
    model: tuple[Row, ...]
    footer: str


def build_report(maps: TileMaps, subject: Subject) -> Report:
    """The report of a finished job; map and top tiles are those of its first prediction."""
    document = maps.document
    shown = shown_map(maps)
    standing, banner = _standing(document.predictions)
    return Report(
        title="Slide analysis",
        finished_at=subject.finished_at,
        software=f"xmag-serve {document.versions.xmag_serve}",
        foremost=foremost(document),
        standing=standing,
        banner=banner,
        identity=_identity(document, subject),
        stated=_stated(subject.stated),
        answers=_answers(document.predictions),
        map_title=wording.map_title(shown),
        map_legend=_legend(shown, maps),
        extent=_extent(document),
        scale_names=(PERCENTILE_ROW, "" if shown.tiles is None else VALUE_ROWS[shown.tiles.quantity]),
        ticks=() if shown.tiles is None else tuple(tick_labels(shown.tiles, maps.has_rank)),
        quality=_quality(maps),
        warnings=other_warnings(document),
        top_title=f"{wording.top_tiles_title(shown)}, as the model saw them",
        top_tiles=tuple(_top_tile(top) for top in document.top_tiles if top.task == shown.prediction.task),
        slide=_slide(document),
        model=_model(document),
        footer=f"xmag-serve {document.versions.xmag_serve} · job {subject.job_id} · {_use(document)}",
    )


def _legend(shown: ShownMap, maps: TileMaps) -> str:
    figures = "" if shown.tiles is None else figures_sentence(shown.tiles, maps)
    return f"{figures} {wording.map_legend(shown)}".strip()


def _top_tile(top: TopTilePart) -> TopTile:
    what = "share" if top.quantity == "attention" else "score"
    return TopTile(
        top.rank, (f"{what} {figure(top.quantity, top.value)}", f"tissue {wording.percent(top.tissue_fraction)}")
    )


def _extent(document: ResultDocument) -> str:
    width, height = (
        pixels * mpp / 1000
        for pixels, mpp in (
            (document.slide.width_px, document.slide.mpp_x),
            (document.slide.height_px, document.slide.mpp_y),
        )
    )
    return f"The picture shows {width:.2f} × {height:.2f} mm."


def _standing(predictions: list[PredictionPart]) -> tuple[Standing, str]:
    """The weakest head decides how the page is coloured; every standing is said."""
    text = " ".join(dict.fromkeys(wording.state_sentence(prediction) for prediction in predictions))
    return min((prediction.standing for prediction in predictions), key=get_args(Standing).index), text


def _identity(document: ResultDocument, subject: Subject) -> tuple[Row, ...]:
    return (
        ("Slide", subject.slide_id or f"sha256 {document.slide.sha256[:12]}"),
        ("Analysed", f"{subject.finished_at:%Y-%m-%d %H:%M} UTC"),
        ("Model", f"{document.model.name} {document.model.version}"),
    )


def _stated(stated: Stated | None) -> tuple[Row, ...]:
    if stated is None:
        return ()
    rows = (("Case", stated.case_id), ("Organ, as sent", stated.organ), ("Stain, as sent", stated.stain))
    return tuple((name, value or "not given") for name, value in rows)


def _answers(predictions: list[PredictionPart]) -> tuple[Answer, ...]:
    answers = [_answer(prediction) for prediction in predictions[:ANSWERS_MAX]]
    if len(predictions) > ANSWERS_MAX:
        more = f"And {len(predictions) - ANSWERS_MAX} more tasks, in the result."
        answers[-1] = replace(answers[-1], notes=(*answers[-1].notes, more))
    return tuple(answers)


def _answer(prediction: PredictionPart) -> Answer:
    notes = [prediction.statement]
    if prediction.calibration.threshold is not None:
        notes.append(f"Threshold of the calibration: {prediction.calibration.threshold:.3f}.")
    notes.append(f"Meant for: {prediction.intended_use}")
    labels, values = prediction.labels, prediction.probabilities
    highest = sorted(labels, key=lambda label: -values[label])[:LABELS_MAX]
    if len(labels) > LABELS_MAX:
        notes.insert(0, f"The {LABELS_MAX} highest of {len(labels)} classes; the others are in the result.")
    return Answer(
        task=wording.plain(prediction.task),
        kind=wording.kind_words(prediction),
        counts=prediction.is_meaningful,
        values=tuple((wording.plain(label), values[label]) for label in labels if label in highest),
        notes=tuple(notes),
    )


def _quality(maps: TileMaps) -> tuple[Row, ...]:
    qc, tiles = maps.document.qc, maps.document.tiling.tissue_tiles
    focus = (
        "not measured"
        if qc.out_of_focus_fraction is None
        else f"{wording.percent(qc.out_of_focus_fraction)} of the tissue"
    )
    if qc.out_of_focus_fraction is not None:
        focus += f" in {int((~np.isnan(maps.sharpness)).sum())} examined tiles ({tiles} in all)"
    return (
        ("Stain", wording.STAINS[qc.stain_he]),
        ("Out of focus", focus),
        ("Ink", f"{wording.percent(qc.pen_fraction)} of the slide"),
        ("Black, fold, dirt", f"{wording.percent(qc.dark_fraction)} of the slide"),
        ("Tissue", f"{maps.document.tiling.tissue_area_mm2:.2f} mm², {tiles} tiles"),
    )


def _slide(document: ResultDocument) -> tuple[Row, ...]:
    slide, tiling = document.slide, document.tiling
    rows = [
        (
            "Scan",
            f"{wording.scan_format(slide.vendor)}, {slide.width_px} × {slide.height_px} px, "
            f"{slide.size_bytes / 1e6:.1f} MB",
        ),
        ("Resolution", f"{slide.mpp:.4g} µm/px, {wording.MPP_SOURCES[slide.mpp_source]}"),
        (
            "Tiles",
            f"{tiling.tissue_tiles} of {tiling.tiles} analysed, {tiling.tile_px} px at {tiling.tile_mpp:g} µm/px",
        ),
        ("Slide's sha256", slide.sha256),
        ("Seconds", ", ".join(f"{wording.plain(stage)} {spent:.2f}" for stage, spent in document.timings_s.items())),
    ]
    return tuple(rows)


def _model(document: ResultDocument) -> tuple[Row, ...]:
    model, versions = document.model, document.versions
    return (
        ("Computed", f"in {model.precision} on {wording.processor(model.provider)}"),
        ("Model's sha256", model.manifest_sha256),
        ("Image network's sha256", model.student_sha256),
        *((f"Classifier's sha256, {wording.plain(task)}", sha256) for task, sha256 in model.head_sha256.items()),
        (
            "Software",
            f"xmag-serve {versions.xmag_serve}, Python {versions.python}, OpenSlide {versions.openslide}, "
            f"onnxruntime {versions.onnxruntime}",
        ),
    )


def _use(document: ResultDocument) -> str:
    return "Research use only. Not a diagnosis." if document.research_use_only else wording.NOT_A_DIAGNOSIS
