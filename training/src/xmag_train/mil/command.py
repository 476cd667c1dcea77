"""`xmag-train mil`: cross-validate a head by case, then fit it on all; `head.pt`, `oof.csv`, `metrics.json`."""

import json
from pathlib import Path
from typing import Any

import typer

from xmag_train.cohort.table import Cohort
from xmag_train.mil.bags import bag_folder, read_bag
from xmag_train.mil.checkpoint import HeadFacts, save_head
from xmag_train.mil.config import MilConfig
from xmag_train.mil.crossval import examples_of, fold_numbers, out_of_fold, run_fold
from xmag_train.mil.fit import fit_head
from xmag_train.mil.task import describe, tell, write_oof
from xmag_train.progress import track
from xmag_train.write import write_json, write_text


def run_mil(path: Path, out: Path | None) -> None:
    """What ``xmag-train mil`` does."""
    config = MilConfig.read(path)
    for line in tell(train_mil(config if out is None else config.model_copy(update={"out": out}))):
        typer.echo(line)


def train_mil(config: MilConfig) -> dict[str, Any]:
    """Run it all; the content of metrics.json. Folds that are there from the same config are not run again."""
    cohort, folds = config.read_tables()
    results = [run_fold(config, cohort, folds, fold) for fold in track(fold_numbers(folds), "folds")]
    logits = out_of_fold(cohort, results)
    metrics = describe(config, cohort, [result.epochs for result in results], logits)
    write_oof(config.out / "oof.csv", cohort, folds, logits)
    lines = [{"fold": r.fold, "epoch": i + 1, "inner_loss": loss} for r in results for i, loss in enumerate(r.losses)]
    write_text(config.out / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    if config.fit_all:
        fit_all(config, cohort, metrics["epochs"]["median"])
    write_json(config.out / "metrics.json", metrics)
    return metrics


def fit_all(config: MilConfig, cohort: Cohort, epochs: int) -> None:
    """Write `head.pt`, taught on every slide. ValueError for bags of more than one encoder."""
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
