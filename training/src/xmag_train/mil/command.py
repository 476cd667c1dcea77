"""`xmag-train mil`: cross-validate a head by case, then fit it on all; `head.pt`, `oof.csv`, `metrics.json`."""

import hashlib
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import typer

from xmag_train.cohort.table import Cohort, read_cohort, read_folds, write_rows
from xmag_train.commit import source_commit
from xmag_train.metrics.classification import softmax
from xmag_train.metrics.slides import slide_metrics
from xmag_train.mil.bags import bag_folder, read_bag
from xmag_train.mil.calibration import calibrate, count_cases
from xmag_train.mil.checkpoint import HeadFacts, save_head
from xmag_train.mil.config import MilConfig
from xmag_train.mil.crossval import FoldResult, examples_of, fold_numbers, out_of_fold, run_fold
from xmag_train.mil.fit import fit_head
from xmag_train.progress import track
from xmag_train.write import write_json, write_text

PROCEDURE = (
    "{folds}-fold cross-validation by case, logits of all folds pooled; epochs chosen by inner folds of the training "
    "part alone. The head itself was refit on all cases with the folds' median epoch count: the figures describe the "
    "procedure, no figure is of data the judging head learnt from. Intervals: 95 %, bootstrap of cases."
)


def run_mil(path: Path, out: Path | None) -> None:
    """What ``xmag-train mil`` does."""
    config = MilConfig.read(path)
    metrics = train_mil(config if out is None else config.model_copy(update={"out": out}))
    for name in ("auroc", "balanced_accuracy"):
        found = metrics[name]
        told = (
            "undefined" if found is None else f"{found['value']:.3f} ({found['ci_low']:.3f} to {found['ci_high']:.3f})"
        )
        typer.echo(f"{name:<18} {told}")
    typer.echo(f"calibration        {metrics['calibration']['status']}: {metrics['n_cases']} cases")


def train_mil(config: MilConfig) -> dict[str, Any]:
    """Run it all; the content of metrics.json."""
    cohort = read_cohort(config.labels_csv, config.task, config.labels)
    folds = read_folds(config.folds_csv, cohort)
    results = [run_fold(config, cohort, folds, fold) for fold in track(fold_numbers(folds), "folds")]
    logits = out_of_fold(cohort, results)
    metrics = _describe(config, cohort, results, logits)
    _write_oof(config.out / "oof.csv", cohort, folds, logits)
    lines = [{"fold": r.fold, "epoch": i + 1, "inner_loss": loss} for r in results for i, loss in enumerate(r.losses)]
    write_text(config.out / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    if config.fit_all:
        _fit_all(config, cohort, metrics["epochs"]["median"])
    write_json(config.out / "metrics.json", metrics)
    return metrics


def _describe(config: MilConfig, cohort: Cohort, results: list[FoldResult], logits: np.ndarray) -> dict[str, Any]:
    labels = np.asarray([row.label for row in cohort.rows])
    cases = [row.case for row in cohort.rows]
    positive = None if config.positive_class is None else config.labels.index(config.positive_class)
    figures = slide_metrics(logits, labels, cases)
    epochs = [result.epochs for result in results]
    n_cases, rarest = count_cases(cases, labels.tolist(), len(config.labels))
    return {
        "task": config.task,
        "head": config.head,
        "labels": config.labels,
        "positive_class": config.positive_class,
        "n_slides": len(cases),
        "n_cases": n_cases,
        "n_cases_rarest_class": rarest,
        **{name: None if found is None else found.as_dict() for name, found in figures.items()},
        "calibration": calibrate(logits, labels, cases, positive).model_dump(),
        "epochs": {"folds": epochs, "median": round(statistics.median(epochs))},
        "procedure": PROCEDURE.format(folds=len(results)),
        "instance": config.instance,
        "bags": config.bags,
        "labels_sha256": hashlib.sha256(config.labels_csv.read_bytes()).hexdigest(),
        "folds_sha256": hashlib.sha256(config.folds_csv.read_bytes()).hexdigest(),
        "commit": source_commit(),
        "config": config.model_dump(mode="json"),
    }


def _fit_all(config: MilConfig, cohort: Cohort, epochs: int) -> None:
    folder = bag_folder(config.bags, None)
    examples = examples_of(cohort.rows, folder)
    encoders = {read_bag(folder / f"{row.slide}.h5").encoder() for row in cohort.rows}
    if len(encoders) != 1:
        raise ValueError(f"bags of {folder} come from {len(encoders)} encoders")
    encoder, sha256 = encoders.pop()
    head = fit_head(examples, config.head, len(cohort.labels), config.fit, epochs=epochs, seed=config.seed)
    sizes = [len(example.features) for example in examples]
    facts = HeadFacts(
        head=config.head,
        task=config.task,
        labels=config.labels,
        positive_class=config.positive_class,
        embedding_dim=examples[0].features.shape[1],
        hidden=config.fit.hidden,
        encoder=encoder,
        encoder_sha256=sha256,
        instance=config.instance,
        bag_size_min=min(sizes),
        bag_size_max=max(sizes),
        epochs=epochs,
        config=config.model_dump(mode="json"),
    )
    save_head(config.out / "head.pt", head, facts)


def _write_oof(path: Path, cohort: Cohort, folds: dict[str, int], logits: np.ndarray) -> None:
    header = [
        "slide",
        "case",
        "site",
        "fold",
        "label",
        *(f"logit_{n}" for n in cohort.labels),
        *(f"p_{n}" for n in cohort.labels),
    ]
    write_rows(
        path,
        header,
        [
            (row.slide, row.case, row.site, folds[row.case], cohort.labels[row.label], *values, *probabilities)
            for row, values, probabilities in zip(cohort.rows, logits, softmax(logits), strict=True)
        ],
    )
