"""An arm's out-of-fold logits: from a head cross-validated here, or from a run that did it itself."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from xmag_train.data.cohort.table import Cohort, read_rows
from xmag_train.evaluate.config import Arm, MilTask
from xmag_train.mil.command import train_mil
from xmag_train.mil.config import MilConfig


def arm_config(task: MilTask, bags: str, folds_csv: Path, out: Path) -> MilConfig:
    """The same head and the same fitting for every arm."""
    return MilConfig(
        task=task.task,
        labels=task.labels,
        positive_class=task.positive_class,
        labels_csv=task.labels_csv,
        folds_csv=folds_csv,
        head=task.head,
        fit=task.fit,
        seed=task.seed,
        fit_all=False,
        bags=bags,
        out=out,
    )


def arm_logits(task: MilTask, arm: Arm, cohort: Cohort, folds: Mapping[str, int], out: Path) -> np.ndarray:
    """float64 [n, C] in the cohort's order."""
    if arm.run is not None:
        return read_oof(arm.run / "oof.csv", cohort, folds)
    assert arm.bags is not None
    folder = out / folder_name(arm)
    train_mil(arm_config(task, arm.bags, task.folds_csv, folder))
    return read_oof(folder / "oof.csv", cohort, folds)


def encoders_of(arm: Arm, out: Path) -> list[str]:
    """sha256 of each fold's encoder, as metrics.json of the arm's run says."""
    metrics = (out / folder_name(arm) if arm.run is None else arm.run) / "metrics.json"
    found: list[str] = json.loads(metrics.read_text(encoding="utf-8"))["encoders_sha256"]
    return found


def folder_name(arm: Arm) -> str:
    """A folder's name from an arm's."""
    return "".join(sign if sign.isalnum() else "-" for sign in arm.name.lower()).strip("-")


def read_oof(path: Path, cohort: Cohort, folds: Mapping[str, int]) -> np.ndarray:
    """float64 [n, C]. ValueError unless the file holds exactly the cohort's slides, with the same labels and folds."""
    names = [f"logit_{label}" for label in cohort.labels]
    rows = {row["slide"]: row for row in read_rows(path, ["slide", "fold", "label", *names])}
    if set(rows) != {row.slide for row in cohort.rows}:
        raise ValueError(f"{path} judges other slides than the task has")
    if any(rows[row.slide]["label"] != cohort.labels[row.label] for row in cohort.rows):
        raise ValueError(f"{path} was made with other labels")
    if any(rows[row.slide]["fold"] != str(folds[row.case]) for row in cohort.rows):
        raise ValueError(f"{path} was made with other folds")
    return np.asarray([[float(rows[row.slide][name]) for name in names] for row in cohort.rows])
