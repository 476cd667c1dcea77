"""MODEL_CARD.md: what the model is, and everything that was measured of it."""

from collections.abc import Sequence

from app.inference.manifest import Calibration
from xmag_train.export.card.figures import how_judged, report_section
from xmag_train.export.config import ExportConfig
from xmag_train.export.measure.measure import MEASURING, Measured
from xmag_train.export.measure.precision_fidelity import fidelity_in_words, rounded_down
from xmag_train.export.measure.reading import ByWay, lowest
from xmag_train.export.measure.reduced import MeasuredInt8
from xmag_train.export.package import STUDENT_FILE, HeadSpec, ReducedVariant
from xmag_train.mil.calibration import ClassShare

BRACKETS = "in brackets, with the 95 % interval of the difference by case"


def model_card(
    config: ExportConfig,
    student: str,
    parameters: int,
    *,
    heads: Sequence[HeadSpec],
    measured: Measured,
) -> str:
    """The whole page."""
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
        *([f"The teacher was not adapted to tissue: {why}"] if (why := config.teacher_not_adapted.strip()) else []),
        "## Heads",
        *[_head(head) for head in heads],
        *(
            []
            if config.report is None
            else ["## Student against teacher", how_judged(config.report), report_section(config.report)]
        ),
        "## Reading",
        _readings(config, measured),
        "## Precision",
        *_precision(config, measured),
        "## Domain and licence",
        f"Stain {', '.join(config.domain.stain)}; {', '.join(config.domain.preparation)}; organs: "
        f"{', '.join(config.domain.organs) or 'none singled out'}. Other material was not examined.",
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
        calibration_in_words(head.calibration, head.class_shares),
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


def calibration_in_words(found: Calibration, shares: Sequence[ClassShare]) -> str:
    """What a head's scores are worth as probabilities, and on how many cases that rests."""
    told = ", ".join(share.in_words() for share in shares)
    if found.status == "none" and told:
        return (
            f"Not calibrated, though there are {found.n_cases} cases. Even at the best-fitting temperature, the mean "
            f"predicted probability of a class differs from its frequency ({BRACKETS}): {told}. The score is no "
            "probability, and there is no threshold."
        )
    if found.status == "none":
        return (
            f"Not calibrated ({found.n_cases} cases, {found.n_cases_rarest_class} of the rarest class; 100 and 30 are "
            "needed): the score is no probability, and there is no threshold."
        )
    threshold = (
        "no threshold"
        if found.threshold is None
        else f"threshold {found.threshold:.3f} (of greatest balanced accuracy on the same out-of-fold scores)"
    )
    return (
        f"Temperature {found.temperature:.3f}, {threshold}, from {found.n_cases} cases. The mean probability of a "
        f"class out of fold does not clearly differ from its share of the slides ({BRACKETS}): {told}. Other patients "
        "may have other shares."
    )


def _readings(config: ExportConfig, measured: Measured) -> str:
    of = (
        "read by a student that never saw the held-out cases, so the figures describe the procedure"
        if config.measuring_student is not None
        else "read by the shipped student"
    )
    regions = f"{len(set(measured.held_out.slides))} slides' held-out tiles, {of}"
    wholes = len({slide for ways in measured.slides.values() for slide in ways})
    by = (
        "each by a student that never saw its case"
        if measured.slides_unseen
        else "by students that may have seen the slides' cases: we cannot tell"
    )
    more = f" Whole slides: {wholes}, {by}." if wholes else ""
    lines = [
        "For each reading method: the lowest median cosine over all slides, to the embeddings of level-0 LANCZOS. "
        "The service may use methods that reach 0.98.",
        "",
        f"Regions: {regions}.{more}",
        "",
        *reading_table(measured.regions, measured.slides),
    ]
    return "\n".join(lines)


def reading_table(regions: ByWay, slides: ByWay) -> list[str]:
    """A line for each method, all figures rounded down: the lowest slide of the regions and of the whole slides."""
    lines = ["| method | lowest of all | regions | whole slides |", "|---|---|---|---|"]
    for way, value in lowest(regions, slides).items():
        both = " | ".join(_lowest_of(found, way) for found in (regions, slides))
        lines.append(f"| {way} | {value:.4f} | {both} |")
    return lines


def _lowest_of(found: ByWay, way: str) -> str:
    if not found:
        return "not measured"
    by_slide = found.get(way)
    if not by_slide:
        return "no slide uses it"
    slide = min(by_slide, key=lambda name: by_slide[name])
    return f"{rounded_down(by_slide[slide], 4):.4f} ({slide}; {len(by_slide)} slides)"


def _precision(config: ExportConfig, measured: Measured) -> list[str]:
    which = measured.held_out.which()
    by = (
        "the worse of two students: the shipped one, and one that never saw these cases"
        if config.measuring_student is not None
        else "the shipped student"
    )
    return [
        f"Measured on held-out tiles: {which['tiles']} tiles of {which['slides']} slides, the regions of fold "
        f"{config.held_out_fold} of `{config.folds.name}`. Figures are of {by}. Cases: {', '.join(which['cases'])}. "
        f"sha256 of the regions: `{which['sha256']}`.",
        _parity(measured),
        *([] if measured.reduced else ["fp32 only."]),
        *([] if measured.fp16 is None else [_reduced(measured.fp16)]),
        *([] if measured.int8 is None else [f"{_reduced(measured.int8.variant)} {_how_int8(measured.int8)}"]),
    ]


def _parity(measured: Measured) -> str:
    students = [found for name, found in measured.parity.items() if name in (STUDENT_FILE, MEASURING)]
    heads = {name: found for name, found in measured.parity.items() if name not in (STUDENT_FILE, MEASURING)}
    cosine = min(found.cosine_min for found in students if found.cosine_min is not None)
    told = [
        f"`{STUDENT_FILE}` against torch on these {students[0].inputs} tiles: largest difference of any value "
        f"{max(found.largest for found in students):.1e}, lowest cosine of an embedding {rounded_down(cosine, 6):.6f}."
    ]
    told += [
        f"`{name}` against torch on the bags of their {found.inputs} slides: largest difference {found.largest:.1e}."
        for name, found in heads.items()
    ]
    return " ".join(told)


def _reduced(variant: ReducedVariant) -> str:
    return (
        f"`student.{variant.precision}.onnx` against fp32 on these {variant.fidelity.n_tiles} tiles, both on a CPU: "
        f"{fidelity_in_words(variant.fidelity)}."
    )


def _how_int8(measured: MeasuredInt8) -> str:
    speed, from_ = measured.speed, measured.calibration.which()
    return (
        f"Calibrated on {from_['tiles']} tiles of {from_['slides']} slides of other cases. Speed on the exporting "
        f"machine, one core: {speed.ratio:.2f} times fp32 ({speed.int8:.0f} against {speed.fp32:.0f} "
        "tiles/s)."
    )


def _span(low: float | None, high: float | None) -> str:
    return "not defined" if low is None or high is None else f"{low:.3f} to {high:.3f}"
