"""The report's words and tables, in Markdown."""

from collections.abc import Sequence

from xmag_train.evaluate.drift import Drift
from xmag_train.evaluate.fidelity import Space
from xmag_train.evaluate.retention import Retention
from xmag_train.evaluate.scanner import ScannerShift
from xmag_train.evaluate.speed import SlideSpeed
from xmag_train.metrics.bootstrap import Interval

NOT_MEASURED = "not measured"
LEGEND = (
    "Verdict on “no more than 0.01 lost”: **met** when the whole 95 % interval of the paired difference lies above "
    "−0.01, **missed** when it lies wholly below, otherwise **inconclusive**. Intervals: percentile bootstrap that "
    "draws cases, 2,000 times, the same draws for both sides."
)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def figure(value: float | None) -> str:
    """Three digits, or that it was not measured."""
    return NOT_MEASURED if value is None else f"{value:.3f}"


def with_interval(found: Interval | None, signed: bool = False) -> str:
    """Value and 95 % interval."""
    if found is None:
        return "undefined"
    sign = "+" if signed else ""
    return f"{found.value:{sign}.3f} ({found.ci_low:{sign}.3f} to {found.ci_high:{sign}.3f})"


def retention_table(rows: Sequence[Retention]) -> str:
    """One line an arm and figure."""
    told = [
        (
            row.arm,
            row.figure.replace("_", " "),
            with_interval(row.value),
            "" if row.difference is None else with_interval(row.difference, signed=True),
            row.verdict or "",
        )
        for row in rows
    ]
    return table(["arm", "figure", "value (95 %)", "minus teacher (95 %)", "verdict"], told)


def space_table(rows: Sequence[Space]) -> str:
    """Fidelity and retrieval."""
    header = ["arm", "10-neighbour agreement", "same organ, other case", "same case", "mapped cosine", "instances"]
    told = [
        (
            row.arm,
            "" if row.agreement is None else with_interval(row.agreement),
            NOT_MEASURED if row.same_organ is None else with_interval(row.same_organ),
            with_interval(row.same_case),
            "" if row.mapped_cosine is None else with_interval(row.mapped_cosine),
            str(row.instances),
        )
        for row in rows
    ]
    return table(header, told)


def drift_table(rows: Sequence[Drift]) -> str:
    """Sampled bag against whole bag."""
    told = [
        (str(r.tiles), str(r.bags), figure(r.logit_median), figure(r.logit_p95), figure(r.probability_p95))
        for r in rows
    ]
    return table(["tiles drawn", "bags", "logit, median", "logit, 95th percentile", "score, 95th percentile"], told)


def scanner_table(rows: Sequence[ScannerShift]) -> str:
    """Same glass, two scanners."""
    told = [(r.arm, str(r.pairs), figure(r.same_glass), figure(r.other_glass)) for r in rows]
    return table(["arm", "pairs", "same glass", "other glass"], told)


def speed_table(rows: Sequence[SlideSpeed]) -> str:
    """A line a slide: both sides and their ratios."""
    told = []
    for slide in sorted({row.slide for row in rows}):
        student, teacher = (next(r for r in rows if r.slide == slide and r.kind == k) for k in ("student", "teacher"))
        told.append(
            (
                slide,
                f"{student.tiles}",
                f"{teacher.tiles}",
                f"{teacher.tiles / student.tiles:.1f}x",
                f"{student.seconds:.1f} ({student.per_tile_ms:.0f} ms a tile)",
                f"{teacher.seconds:.1f} ({teacher.per_tile_ms:.0f} ms a tile)",
                f"{teacher.seconds / student.seconds:.1f}x",
            )
        )
    header = ["slide", "5x tiles", "20x tiles", "fewer", "student, s", "teacher, s", "faster"]
    return table(header, told)
