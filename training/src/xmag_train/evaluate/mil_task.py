"""One cohort's section of the report: retention, ablations, gain, sites, spaces, scanner shift, drift."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from xmag_train.data.cohort.table import Cohort, read_cohort, read_folds, read_rows
from xmag_train.evaluate.arms import arm_logits, encoders_of, folder_name
from xmag_train.evaluate.config import Arm, MilTask
from xmag_train.evaluate.drift import WHOLE_SLIDE, corpus_bags, drift, whole_bags
from xmag_train.evaluate.gain import head_gain
from xmag_train.evaluate.plots import plot_differences, plot_roc
from xmag_train.evaluate.report import drift_table, organ_basis, retention_table, scanner_table, space_table
from xmag_train.evaluate.retention import retention
from xmag_train.evaluate.scanner import CENTRED_PAIRS_MIN, read_pairs, scanner_shift
from xmag_train.evaluate.sites import site_folds, site_logits
from xmag_train.evaluate.teacher_agreement import TILES_MAX, spaces
from xmag_train.evaluate.unseen import perhaps_seen
from xmag_train.files import file_sha256
from xmag_train.progress import track

WHOLES = (
    "A corpus bag is the regions that the corpus has of the slide. A whole slide is every tile with tissue, as "
    "`xmag-train embed` and the service read it."
)


def evaluate_mil(task: MilTask, out: Path) -> tuple[str, dict[str, Any]]:
    """(Markdown, data for report.json); plots go to `<out>/<task>/`."""
    arms = task.arms_there()
    absent = [arm for arm in task.arms if arm not in arms]
    task = task.model_copy(update={"arms": tuple(arms[2:])})
    folder = out / task.name
    folder.mkdir(parents=True, exist_ok=True)
    cohort = read_cohort(task.labels_csv, task.task, task.labels)
    folds = read_folds(task.folds_csv, cohort)
    labels, cases = np.asarray([row.label for row in cohort.rows]), [row.case for row in cohort.rows]
    logits = {arm.name: arm_logits(task, arm, cohort, folds, folder) for arm in arms}
    if len(logits) != len(arms):
        raise ValueError(f"task {task.name}: two arms of one name")
    rows = retention(logits, task.teacher.name, labels, cases)
    plot_differences(rows, folder / "differences.png")
    index = 1 if task.positive_class is None else task.labels.index(task.positive_class)
    plot_roc(logits, labels == index, index, folder / "roc.png")
    gain, found_gain = _gain(task, logits, labels, cases)
    text = [
        f"## {task.name}",
        f"{len(cases)} slides, {len(set(cases))} cases, {len(set(folds.values()))} folds by case; head {task.head}, "
        f"fitted alike in every arm. {task.note}".strip(),
        retention_table(rows),
        *[f"Not measured: {arm.name} ({arm.source()} is not there)." for arm in absent],
        f"![Differences to the teacher]({task.name}/differences.png)\n\n![ROC curves]({task.name}/roc.png)",
        gain,
    ]
    data: dict[str, Any] = {
        "student": task.student.name,
        "teacher": task.teacher.name,
        "labels_sha256": file_sha256(task.labels_csv),
        "folds_sha256": file_sha256(task.folds_csv),
        "encoders_sha256": encoders_of(task.student, folder),
        "retention": [asdict(row) for row in rows],
        **found_gain,
    }
    for section in (_sites, _spaces, _scanner, _drift):
        told, found = section(task, cohort, folds, folder)
        text.append(told)
        data |= found
    return "\n\n".join(text), data


def _sites(task: MilTask, cohort: Cohort, _folds: dict[str, int], folder: Path) -> tuple[str, dict[str, Any]]:
    title = "### Leave one site out"
    sites = site_folds(cohort, folder / "sites.csv")
    if not task.leave_one_site_out or sites.unusable is not None:
        return f"{title}\n\nNot measured: {sites.unusable or 'the config asks for none'}.", {}
    arms = (task.teacher, task.student, *task.arms)
    logits = {arm.name: found for arm in arms if (found := site_logits(task, arm, cohort, sites, folder)) is not None}
    absent = [arm.name for arm in arms if arm.name not in logits]
    reason = f"Not measured for {', '.join(absent)}: encoders that may have seen the site left out (no site_bags)."
    if task.teacher.name not in logits:
        return f"{title}\n\n{reason}", {}
    labels, cases = np.asarray([row.label for row in cohort.rows]), [row.case for row in cohort.rows]
    rows = retention(logits, task.teacher.name, labels, cases)
    counts = ", ".join(f"{name}: {sum(row.site == name for row in cohort.rows)} slides" for name in sites.names)
    told = [title, f"{counts}; each judged by heads of the other sites.", retention_table(rows)]
    return "\n\n".join(told + ([reason] if absent else [])), {"sites": [asdict(row) for row in rows]}


def _bags(task: MilTask) -> dict[str, str]:
    return {arm.name: arm.bags for arm in (task.teacher, task.student, *task.arms) if arm.bags is not None}


def _spaces(task: MilTask, cohort: Cohort, folds: dict[str, int], _folder: Path) -> tuple[str, dict[str, Any]]:
    title = "### Fidelity and retrieval"
    if task.teacher.bags is None:
        return f"{title}\n\nNot measured: the teacher's bags are not given.", {}
    organs, no_organ = None, list[str]()
    if task.organ_column is not None:
        said = {row["slide"]: row[task.organ_column] for row in read_rows(task.labels_csv, [task.organ_column])}
        organs = {slide: "" if organ in task.no_organ else organ for slide, organ in said.items()}
        no_organ = sorted({said[row.slide] for row in cohort.rows} & set(task.no_organ))
    rows, basis = spaces(
        _bags(task), task.teacher.name, cohort, folds, organs=organs, chosen_on=frozenset(task.chosen_on)
    )
    perhaps = perhaps_seen(arm for arm in (task.student, *task.arms) if arm.bags is not None)
    seen = (
        f"whether a student was distilled on them is not known of {', '.join(perhaps)}"
        if perhaps
        else "which the fold's student never saw"
    )
    told = [
        title,
        f"Within each fold's cases, {seen}; means over regions, 95 % intervals by case. "
        "Mapped cosine: teacher's embedding against a ridge regression on the arm's, fitted on the other folds' cases, "
        f"both centred. Of a bag of more than {TILES_MAX} tiles, {TILES_MAX} drawn at random, the same in every arm.",
        space_table(rows, task.chosen_on),
        organ_basis(basis, no_organ),
    ]
    found = {
        "spaces": [asdict(row) for row in rows],
        "chosen_on": sorted(task.chosen_on),
        "same_organ_basis": None if basis is None else {**asdict(basis), "no_organ": no_organ},
    }
    return "\n\n".join(told), found


def _gain(
    task: MilTask, logits: Mapping[str, np.ndarray], labels: np.ndarray, cases: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    title = "### What distilling was worth to the head"
    before = [arm.name for arm in task.arms if arm.undistilled]
    if not before:
        return f"{title}\n\nNot measured: no arm is the student before distillation (`undistilled`).", {}
    found = head_gain(logits, (task.student.name, before[0], task.teacher.name), labels, cases)
    return f"{title}\n\n{found.words}", {"head_gain": asdict(found)}


def _scanner(task: MilTask, _cohort: Cohort, _folds: dict[str, int], _folder: Path) -> tuple[str, dict[str, Any]]:
    title = "### Scanner shift"
    if task.scanner_pairs is None:
        return f"{title}\n\nNot measured (nor across institutions): no cohort with the same glass on two scanners.", {}
    pairs = read_pairs(task.scanner_pairs, task.labels_csv, task.folds_csv)
    arms = list(_bags(task).items())
    rows = [scanner_shift(name, bags, pairs) for name, bags in track(arms, "scanner shift")]
    centred = (
        "less the mean of all pairs' by the same encoder"
        if len(pairs) >= CENTRED_PAIRS_MIN
        else "as they are: two pairs are too few to take their mean away"
    )
    by_refit = [f"{pair.slide_a} and {pair.slide_b}" for pair in pairs if pair.fold is None]
    told = [
        title,
        f"Cosines of slides' mean embeddings, {centred}. If an arm has a "
        "student for each fold, the one that never saw a pair's case judges the pair. Other glass is of pairs that the "
        "same student never saw either."
        + (f" In no fold, hence judged by the student refit on all: {'; '.join(by_refit)}." if by_refit else ""),
        scanner_table(rows),
    ]
    found = {"scanner_shift": [asdict(row) for row in rows], "scanner_pairs": [asdict(pair) for pair in pairs]}
    return "\n\n".join(told), found


def _drift(task: MilTask, cohort: Cohort, folds: dict[str, int], folder: Path) -> tuple[str, dict[str, Any]]:
    title = "### From a sampled bag to the whole"
    student: Arm = task.student
    if student.bags is None:
        return f"{title}\n\nNot measured: the student's bags are not given.", {}
    bags, wholes = corpus_bags(student.bags, cohort, folds), task.whole_slides
    absent = wholes is not None and wholes.optional and not wholes.is_there()
    if wholes is not None and not absent:
        bags += whole_bags(wholes, cohort, task.folds_csv)
    rows = drift(task, bags, folder / folder_name(student))
    unseen = "unseen cases"
    if perhaps_seen([student]):
        unseen = "cases that its heads never saw (whether it was distilled on them is not known)"
    told = [title, f"{student.name}, {unseen}, absolute changes. {WHOLES}"]
    told.append(drift_table(rows) if rows else f"Not measured: no bag is larger than {task.sampled_tiles} tiles.")
    if not any(row.whole == WHOLE_SLIDE for row in rows):
        reason = f"{wholes.bags} is not there" if wholes is not None and absent else "no bag of one is named"
        told.append(f"Against whole slides: not measured, {reason}.")
    return "\n\n".join(told), {"drift": [asdict(row) for row in rows]}
