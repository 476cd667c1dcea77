"""MODEL_CARD.md: what the model is, and everything that was measured of it."""

from collections.abc import Mapping, Sequence

from app.inference.manifest import Fidelity
from xmag_train.export.config import ExportConfig
from xmag_train.export.fidelity import Speed
from xmag_train.export.figures import report_section
from xmag_train.package import HeadSpec

CAUTION = (
    "Both at their own magnification, with the same head and folds; every student judged by cases that it was not "
    "distilled on. Verdict: **met** where no more than 0.01 was lost with 95 % certainty, **missed** where more was, "
    "otherwise **inconclusive**."
)


def model_card(
    config: ExportConfig,
    student: str,
    parameters: int,
    *,
    heads: Sequence[HeadSpec],
    readings: Mapping[str, float],
    int8: tuple[Fidelity, Speed] | None,
) -> str:
    """The whole page. ``readings``: way → lowest slide's median cosine to level-0 LANCZOS."""
    provenance = config.provenance
    teacher = provenance.teacher or "none"
    parts = [
        f"# {config.name} {config.version}",
        "**Not a medical device. Not for diagnosis.**"
        + ("" if any(head.validated for head in heads) else " No head of it is validated."),
        *([config.card_notes.strip()] if config.card_notes.strip() else []),
        "## Student",
        f"`student.onnx`: {student}, {parameters / 1e6:.2f} M parameters; 224 px at 2.0 µm/px → an embedding and 4×4 "
        f"tokens. Teacher: {teacher}. Data: {provenance.data}",
        "## Heads",
        *[_head(head) for head in heads],
        *([] if config.report is None else ["## Student against teacher", CAUTION, report_section(config.report)]),
        "## Reading",
        _readings(config, readings),
        "## Precision",
        _int8(config, int8),
        "## Domain and licence",
        f"Stain {', '.join(config.domain.stain)}; {', '.join(config.domain.preparation)}; organs: "
        f"{', '.join(config.domain.organs) or 'none singled out'}. Other material is outside what was looked at.",
        f"Licence: {provenance.licence}. {provenance.attribution}",
    ]
    return "\n\n".join(parts) + "\n"


def _head(head: HeadSpec) -> str:
    state = "trained" if head.trained else "random weights"
    lines = [
        f"### {head.task}",
        "",
        f"{', '.join(head.labels)}; {state}, {'validated' if head.validated else 'not validated'}; bags of "
        f"{head.bag_size_min} to {head.bag_size_max} tiles; attention {head.attention_kind}"
        + (", which says where the model looked, not where disease is." if head.attention_kind == "shared" else "."),
        "",
        f"Intended use: {head.intended_use}",
        "",
        _calibration(head),
    ]
    if head.metrics:
        lines += ["", "| figure | value | 95 % interval | cases |", "|---|---|---|---|"]
        lines += [
            f"| {metric.name} | {metric.value:.3f} | {_span(metric.ci_low, metric.ci_high)} | {metric.n_cases} |"
            for metric in head.metrics
        ]
        lines += ["", head.metrics[0].data]
    elif head.trained:
        lines += ["", "No figure: too few cases of a class to define one."]
    return "\n".join(lines)


def _calibration(head: HeadSpec) -> str:
    found = head.calibration
    if found.status == "none":
        return (
            f"Not calibrated ({found.n_cases} cases, {found.n_cases_rarest_class} of the rarest class; 100 and 30 are "
            "needed): the score is no probability, and there is no threshold."
        )
    return f"Temperature {found.temperature:.3f}, threshold {found.threshold}, from {found.n_cases} cases."


def _readings(config: ExportConfig, readings: Mapping[str, float]) -> str:
    of = (
        "a student that never saw the held-out cases: the figures describe the procedure"
        if config.measuring_student is not None
        else "the shipped student on the held-out cases"
    )
    material = [f"regions of fold {config.held_out_fold}"]
    if config.reading_slides:
        material.append(f"{len(config.reading_slides)} whole slides, each by a student that never saw its case")
    lines = [
        "Median cosine of embeddings to level-0 LANCZOS, on the slide where it is lowest "
        f"({', '.join(material)}; {of}). From 0.98 on the service may read so.",
        "",
        "| way | cosine |",
        "|---|---|",
        *[f"| {way} | {value:.4f} |" for way, value in readings.items()],
    ]
    return "\n".join(lines)


def _int8(config: ExportConfig, measured: tuple[Fidelity, Speed] | None) -> str:
    if measured is None:
        return "fp32 only."
    fidelity, speed = measured
    by = (
        "the worse of two students: this one, and one that never saw these cases"
        if config.measuring_student is not None
        else "this student"
    )
    change = "no head to compare by" if fidelity.score_change_max is None else f"{fidelity.score_change_max:.4f}"
    return (
        f"`student.int8.onnx` against fp32 on {fidelity.n_tiles} tiles of {fidelity.n_slides} slides of cases that "
        f"calibration never saw ({by}): cosine of embeddings {fidelity.cosine_median:.4f} (median), "
        f"{fidelity.cosine_min:.4f} (lowest); largest change of a slide's score {change}. Speed on the exporting "
        f"machine, {speed.threads} threads: {speed.ratio:.2f} times fp32 ({speed.int8:.0f} against {speed.fp32:.0f} "
        "tiles/s)."
    )


def _span(low: float | None, high: float | None) -> str:
    return "not defined" if low is None or high is None else f"{low:.3f} to {high:.3f}"
