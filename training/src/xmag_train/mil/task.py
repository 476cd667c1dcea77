"""What every cross-validated study of one task states, and how it is told."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator
from scipy.special import softmax

from xmag_train.commit import source_commit
from xmag_train.config import Config
from xmag_train.data.cohort.table import Cohort, read_cohort, read_folds, write_rows
from xmag_train.files import file_sha256
from xmag_train.metrics.bootstrap import Interval, interval_in_words
from xmag_train.metrics.classification import slide_metrics
from xmag_train.mil.calibration import ClassShare, calibrate, count_cases
from xmag_train.mil.heads import HeadName
from xmag_train.mil.keep import Effort


class TaskConfig(Config):
    """``labels``: in order; ``positive_class`` is one of them. ``instance``: what an instance is, for the card.

    ``fit_all``: also fit on all cases, for shipping. ``out``: the run's folder.
    """

    task: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    labels: list[str] = Field(min_length=2)
    positive_class: str | None = None
    labels_csv: Path
    folds_csv: Path
    head: HeadName = "gated_attention"
    instance: str = "one 5x tile"
    fit_all: bool = True
    seed: int = 0
    out: Path

    @model_validator(mode="after")
    def _labels_are_told_apart(self) -> "TaskConfig":
        if self.positive_class is not None and self.positive_class not in self.labels:
            raise ValueError(f"positive_class {self.positive_class!r} is none of {self.labels}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        return self

    def read_tables(self) -> tuple[Cohort, dict[str, int]]:
        """The task's slides, and case → fold."""
        cohort = read_cohort(self.labels_csv, self.task, self.labels)
        return cohort, read_folds(self.folds_csv, cohort)


class FoldResult(Config):
    """``logits`` [n, C] of ``slides``, by a head that learnt without their cases; ``losses``: inner, by epoch."""

    fold: int
    epochs: int
    losses: list[float]
    slides: list[str]
    logits: list[list[float]]
    effort: Effort


def describe(
    config: TaskConfig, cohort: Cohort, results: Sequence[FoldResult], logits: np.ndarray, encoders: Sequence[str]
) -> dict[str, Any]:
    """metrics.json: figures with intervals, calibration or why there is none, and all that they rest on.

    ``encoders``: sha256 of what embeds the slides in each fold; all different says that each fold has one of its own.
    """
    epochs = [result.epochs for result in results]
    labels = np.asarray([row.label for row in cohort.rows])
    cases = [row.case for row in cohort.rows]
    positive = None if config.positive_class is None else config.labels.index(config.positive_class)
    n_cases, rarest = count_cases(cases, labels.tolist(), len(config.labels))
    figures = slide_metrics(logits, labels, cases)
    calibration, shares = calibrate(logits, labels, cases, config.labels, positive)
    return {
        "task": config.task,
        "head": config.head,
        "labels": config.labels,
        "positive_class": config.positive_class,
        "n_slides": len(cases),
        "n_cases": n_cases,
        "n_cases_rarest_class": rarest,
        **{name: None if found is None else found.as_dict() for name, found in figures.items()},
        "calibration": calibration.model_dump(),
        "class_shares": [share.model_dump() for share in shares],
        "epochs": {"folds": epochs, "median": round(statistics.median(epochs))},
        "inner_losses_by_epoch": {str(result.fold): result.losses for result in results},
        "procedure": procedure(results, refit=config.fit_all, encoder_of_fold=len(set(encoders)) == len(encoders)),
        "instance": config.instance,
        "labels_sha256": file_sha256(config.labels_csv),
        "folds_sha256": file_sha256(config.folds_csv),
        "encoders_sha256": list(encoders),
        "commit": source_commit(),
        "config": config.model_dump(mode="json"),
    }


def procedure(results: Sequence[FoldResult], *, refit: bool, encoder_of_fold: bool) -> str:
    """How the figures came about. ``refit``: on all cases; ``encoder_of_fold``: it never saw the fold's cases."""
    chosen = any(result.losses for result in results)
    epochs = "epochs chosen by inner folds of the training part alone" if chosen else "epochs stated beforehand"
    judge = "model" if encoder_of_fold else "head"
    unseen = f"none is of data that the judging {judge} learnt from"
    sentences = [
        f"{len(results)}-fold cross-validation by case, logits of all folds pooled; {epochs}.",
        "The shipped model was refit on all cases with the folds' median epoch count. The figures describe the "
        f"procedure: {unseen}."
        if refit
        else f"No model was refit on all cases. Of the figures {unseen}.",
        *(
            []
            if encoder_of_fold
            else ["One encoder serves all folds: whether it learnt from these cases is not known."]
        ),
        "Intervals: 95 %, bootstrap of cases.",
    ]
    return " ".join(sentences)


def write_oof(path: Path, cohort: Cohort, folds: Mapping[str, int], logits: np.ndarray) -> None:
    """oof.csv: each slide's out-of-fold logits and their softmax."""
    header = ["slide", "case", "site", "fold", "label"]
    header += [f"{what}_{name}" for what in ("logit", "p") for name in cohort.labels]
    both = zip(cohort.rows, logits.tolist(), softmax(logits, axis=1).tolist(), strict=True)
    write_rows(
        path,
        header,
        [(row.slide, row.case, row.site, folds[row.case], cohort.labels[row.label], *v, *p) for row, v, p in both],
    )


def tell(metrics: Mapping[str, Any]) -> list[str]:
    """A run's figures, a line each."""
    lines = []
    for name in ("auroc", "balanced_accuracy"):
        found = metrics[name]
        lines.append(f"{name:<18} {interval_in_words(Interval(**found) if found else None)}")
    lines.append(
        f"{'calibration':<18} {metrics['calibration']['status']} ({metrics['n_cases']} cases, "
        f"{metrics['n_cases_rarest_class']} of the rarest class; needed are 100 and 30)"
    )
    shares = [ClassShare.model_validate(share) for share in metrics["class_shares"]]
    if shares:
        told = ", ".join(share.in_words() for share in shares)
        why = "" if all(share.agrees for share in shares) else ": they differ, hence no calibration"
        lines.append(f"{'mean p (share; 95 % of the difference)':<18} {told}{why}")
    return lines
