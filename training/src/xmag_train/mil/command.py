"""`xmag-train mil`: cross-validate a head by case, then fit it on all; `head.pt`, `oof.csv`, `metrics.json`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from xmag_train.data.cohort.table import Cohort
from xmag_train.files import write_json
from xmag_train.mil.bags import bag_stamps, common_encoder, path_of_fold, read_bag
from xmag_train.mil.checkpoint import facts_of, load_head, save_head
from xmag_train.mil.config import MilConfig
from xmag_train.mil.crossval import examples_of, fingerprint, fold_numbers, out_of_fold, run_fold
from xmag_train.mil.fit import fit_head
from xmag_train.mil.keep import Effort, KeptFits, total
from xmag_train.mil.task import describe, tell, write_oof
from xmag_train.progress import track


def run_mil(path: Path, out: Path | None) -> None:
    """What ``xmag-train mil`` does."""
    for line in tell(train_mil(MilConfig.read(path, out=out))):
        typer.echo(line)


def train_mil(config: MilConfig) -> dict[str, Any]:
    """Run it all; the content of metrics.json. What is there from the same config, tables and bags is not run again."""
    cohort, folds = config.read_tables()
    numbers = fold_numbers(folds)
    slides = [row.slide for row in cohort.rows]
    wanted = [*numbers, *([None] if config.fit_all else [])]
    folders = dict.fromkeys(path_of_fold(config.bags, fold) for fold in wanted)
    stamps = {folder: bag_stamps(folder, slides) for folder in folders}
    results = [run_fold(config, cohort, folds, fold, stamps) for fold in track(numbers, "folds")]
    logits = out_of_fold(cohort, results)
    encoders = [common_encoder(path_of_fold(config.bags, fold), slides)[1] for fold in numbers]
    metrics = describe(config, cohort, results, logits, encoders)
    write_oof(config.out / "oof.csv", cohort, folds, logits)
    efforts = [result.effort for result in results]
    if config.fit_all:
        efforts.append(fit_all(config, cohort, metrics["epochs"]["median"], stamps))
    metrics["training"] = total(efforts)
    write_json(config.out / "metrics.json", metrics)
    return metrics


def fit_all(config: MilConfig, cohort: Cohort, epochs: int, stamps: Mapping[Path, Sequence[str]]) -> Effort:
    """Write `head.pt`, taught on every slide, and say what it took. ValueError for bags of more than one encoder.

    ``stamps``: of the bags in each folder.
    """
    folder, path = path_of_fold(config.bags, None), config.out / "head.pt"
    key = json.dumps([fingerprint(config, cohort, {}, stamps[folder]), epochs])
    if path.is_file() and (found := load_head(path)[1]).fingerprint == key and found.effort is not None:
        return found.effort
    examples = examples_of(cohort.rows, folder)
    encoders = {read_bag(folder / f"{row.slide}.h5").encoder() for row in cohort.rows}
    if len(encoders) != 1:
        raise ValueError(f"bags of {folder} come from {len(encoders)} encoders")
    encoder, sha256 = encoders.pop()
    kept = KeptFits(config.out, "head", key, config.fit.keep_s)
    head, _ = fit_head(
        examples,
        config.head,
        len(cohort.labels),
        config.fit,
        epochs=epochs,
        seed=config.seed,
        kept=kept.part("whole"),
    )
    facts = facts_of(
        config,
        head,
        (encoder, sha256),
        hidden=config.fit.hidden,
        bag_sizes=[len(example.features) for example in examples],
        epochs=epochs,
        fingerprint=key,
        effort=kept.effort(),
    )
    save_head(path, head, facts)
    kept.erase()
    return kept.effort()
