"""A result in a few lines of plain text, for the command line."""

from app.results import wording
from app.results.cautions import SAID_OF_PREDICTIONS
from app.results.schema import PredictionPart, ResultDocument
from app.warning import code_of, sentence_of


def summary_lines(document: ResultDocument) -> list[str]:
    """What a person wants to know first: prediction and how far to trust it, tissue, quality, warnings, times."""
    lines = _slide_lines(document)
    for prediction in document.predictions:
        lines += ["", *_prediction_lines(prediction)]
    lines += ["", _quality_line(document)]
    warnings = [w for w in dict.fromkeys(document.warnings) if code_of(w) not in SAID_OF_PREDICTIONS]
    lines += [f"Warning: {sentence_of(warning)}" for warning in warnings]
    stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in document.timings_s.items())
    lines += [f"Seconds: {stages}", f"Model: {_model_words(document)}"]
    return lines


def _slide_lines(document: ResultDocument) -> list[str]:
    slide, tiling = document.slide, document.tiling
    return [
        f"Slide: {slide.vendor}, {slide.width_px} × {slide.height_px} px, "
        f"{slide.mpp:.4g} µm/px ({wording.MPP_SOURCES[slide.mpp_source]}), sha256 {slide.sha256[:12]}",
        f"Tissue: {tiling.tissue_area_mm2:.2f} mm², {tiling.tissue_tiles} of {tiling.tiles} tiles "
        f"of {tiling.tile_px} px at {tiling.tile_mpp:g} µm/px",
    ]


def _prediction_lines(prediction: PredictionPart) -> list[str]:
    width = max(len(label) for label in prediction.labels)
    lines = [wording.plain(prediction.task)]
    lines += [
        f"  {wording.plain(label):<{width}}  {prediction.probabilities[label]:.3f}" for label in prediction.labels
    ]
    return [*lines, f"  {prediction.statement}"]


def _quality_line(document: ResultDocument) -> str:
    qc = document.qc
    focus = "not measured" if qc.out_of_focus_fraction is None else wording.percent(qc.out_of_focus_fraction)
    stain = wording.STAINS[qc.stain_he]
    pen, dark = wording.percent(qc.pen_fraction), wording.percent(qc.dark_fraction)
    return f"Quality: ink {pen}, out of focus {focus}, dark {dark}, stain {stain}"


def _model_words(document: ResultDocument) -> str:
    model = document.model
    return f"{model.name} {model.version}, {model.precision} on {model.provider}, manifest {model.manifest_sha256[:12]}"
