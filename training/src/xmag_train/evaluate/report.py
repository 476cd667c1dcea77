"""The report's words and tables, in Markdown."""

from collections.abc import Sequence

from xmag_train.evaluate.drift import Drift
from xmag_train.evaluate.retention import Retention
from xmag_train.evaluate.scanner import ScannerShift
from xmag_train.evaluate.speed import SlideSpeed
from xmag_train.evaluate.teacher_agreement import Basis, Space
from xmag_train.metrics.bootstrap import interval_in_words

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


def retention_table(rows: Sequence[Retention]) -> str:
    """One line an arm and figure."""
    told = [
        (
            row.arm,
            row.figure.replace("_", " "),
            interval_in_words(row.value),
            "" if row.difference is None else interval_in_words(row.difference, "+"),
            row.verdict or "",
        )
        for row in rows
    ]
    return table(["arm", "figure", "value (95 %)", "minus teacher (95 %)", "verdict"], told)


def space_table(rows: Sequence[Space], chosen_on: Sequence[int]) -> str:
    """Fidelity and retrieval; same case also without the folds ``chosen_on``, where there are any."""
    without = [f"same case, without {folds_in_words(chosen_on)}"] if chosen_on else []
    header = ["arm", "10-neighbour agreement", "same organ, other case", "same case", *without, "mapped cosine"]
    told = [
        (
            row.arm,
            "" if row.agreement is None else interval_in_words(row.agreement),
            NOT_MEASURED if row.same_organ is None else interval_in_words(row.same_organ),
            interval_in_words(row.same_case),
            *([interval_in_words(row.same_case_unseen)] if chosen_on else []),
            "" if row.mapped_cosine is None else interval_in_words(row.mapped_cosine),
            str(row.instances),
        )
        for row in rows
    ]
    return table([*header, "instances"], told)


def folds_in_words(folds: Sequence[int]) -> str:
    """`fold 0`, `folds 0, 2`."""
    return f"fold{'' if len(folds) == 1 else 's'} {', '.join(map(str, sorted(folds)))}"


def organ_basis(basis: Basis | None, left_out: Sequence[str]) -> str:
    """How little the same-organ figure may rest on. ``left_out``: the words of the table for no organ, as found."""
    if basis is None:
        return "Same organ: not measured, the config names no column of organs."
    words = ", ".join(f"“{word}”" if word else "an empty cell" for word in left_out)
    return (
        f"Same organ, other case, rests on {basis.instances} of {basis.of} regions, {basis.cases} cases and "
        f"{basis.organs} {'organ' if basis.organs == 1 else 'organs'}: those of which the fold has another case."
        + (f" No organ, and left out on either side: {words}." if words else "")
    )


def drift_table(rows: Sequence[Drift]) -> str:
    """Sampled bag against the whole, whatever that is."""
    told = [
        (
            f"{r.whole} (median {r.whole_tiles:.0f} tiles)",
            str(r.tiles),
            str(r.bags),
            figure(r.logit_median),
            figure(r.logit_p95),
            figure(r.probability_p95),
        )
        for r in rows
    ]
    header = [
        "the whole is",
        "tiles drawn",
        "bags",
        "logit, median",
        "logit, 95th percentile",
        "score, 95th percentile",
    ]
    return table(header, told)


def scanner_table(rows: Sequence[ScannerShift]) -> str:
    """Same glass, two scanners."""
    told = [(r.arm, str(r.pairs), _judges(r), figure(r.same_glass), figure(r.other_glass)) for r in rows]
    return table(["arm", "pairs", "judged by", "same glass", "other glass"], told)


def _judges(row: ScannerShift) -> str:
    if row.by_fold + row.by_refit == 0:
        return "one encoder for all"
    return f"{row.by_fold} by their fold's, {row.by_refit} by the refit on all"


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
                f"{student.seconds:.1f} ({student.per_tile_ms:.0f} ms a tile, {student.timed} timed)",
                f"{teacher.seconds:.1f} ({teacher.per_tile_ms:.0f} ms a tile, {teacher.timed} timed)",
                f"{teacher.seconds / student.seconds:.1f}x",
            )
        )
    header = ["slide", "5x tiles", "20x tiles", "fewer", "student, s", "teacher, s", "faster"]
    return table(header, told)
