"""Cross-validation by case: what each fold's head says of the cases it never saw."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xmag_train.data.cohort.table import Cohort, SlideRow
from xmag_train.files import write_json
from xmag_train.mil.bags import common_encoder, path_of_fold, read_features
from xmag_train.mil.checkpoint import facts_of, save_head
from xmag_train.mil.config import MilConfig
from xmag_train.mil.fit import Example, choose_epochs, fit_head, logits_of
from xmag_train.mil.keep import KeptFits
from xmag_train.mil.task import FoldResult


def examples_of(rows: Sequence[SlideRow], folder: Path) -> list[Example]:
    """Rows with their bags."""
    features = read_features(folder, [row.slide for row in rows])
    return [Example(row.slide, row.case, row.label, features[row.slide]) for row in rows]


def split(cohort: Cohort, folds: Mapping[str, int], fold: int) -> tuple[list[SlideRow], list[SlideRow]]:
    """(training part, test part) of a fold; no case is in both, for a fold is of cases."""
    test = [row for row in cohort.rows if folds[row.case] == fold]
    learning = [row for row in cohort.rows if folds[row.case] != fold]
    return learning, test


def run_fold(
    config: MilConfig, cohort: Cohort, folds: Mapping[str, int], fold: int, stamps: Mapping[Path, Sequence[str]]
) -> FoldResult:
    """One fold, or its result from an earlier run of the very same config. ``stamps``: of the bags in each folder."""
    path = config.out / "folds" / f"fold-{fold}.json"
    folder = path_of_fold(config.bags, fold)
    key = fingerprint(config, cohort, folds, stamps[folder])
    found = read_fold(path, key)
    if found is not None:
        return found
    kept = KeptFits(path.parent, path.stem, key, config.fit.keep_s)
    learning, test = (examples_of(rows, folder) for rows in split(cohort, folds, fold))
    classes = len(cohort.labels)
    epochs, losses = choose_epochs(learning, config.head, classes, config.fit, seed=config.seed, kept=kept)
    head, _ = fit_head(
        learning, config.head, classes, config.fit, epochs=epochs, seed=config.seed, kept=kept.part("whole")
    )
    result = FoldResult(
        fold=fold,
        epochs=epochs,
        losses=losses,
        slides=[example.slide for example in test],
        logits=logits_of(head, test).tolist(),
        effort=kept.effort(),
    )
    facts = facts_of(
        config,
        head,
        common_encoder(folder, [row.slide for row in cohort.rows]),
        hidden=config.fit.hidden,
        bag_sizes=[len(example.features) for example in learning],
        epochs=epochs,
    )
    save_head(path.with_name(f"head-{fold}.pt"), head, facts)
    write_json(path, {"fingerprint": key, **result.model_dump()})
    kept.erase()
    return result


def read_fold(path: Path, key: str) -> FoldResult | None:
    """The result at ``path``, if there is one of this fingerprint."""
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return FoldResult.model_validate(content) if content.pop("fingerprint") == key else None


def fingerprint(config: MilConfig, cohort: Cohort, folds: Mapping[str, int], stamps: Sequence[str]) -> str:
    """What a fold's result depends on; ``stamps`` stand for the bags of the cohort's rows."""
    settings = config.model_dump(mode="json", exclude={"out": True, "fit_all": True, "fit": {"keep_s"}})
    rows = [(row.slide, row.case, row.label) for row in cohort.rows]
    digest = hashlib.sha256(json.dumps([rows, list(stamps)]).encode()).hexdigest()
    return json.dumps([settings, sorted(folds.items()), digest])


def out_of_fold(cohort: Cohort, results: Sequence[FoldResult]) -> np.ndarray:
    """float64 [n, C] in the cohort's order. ValueError unless every slide was judged exactly once."""
    logits: dict[str, list[float]] = {}
    for result in results:
        for slide, values in zip(result.slides, result.logits, strict=True):
            if slide in logits:
                raise ValueError(f"{slide} was judged by two folds")
            logits[slide] = values
    if set(logits) != {row.slide for row in cohort.rows}:
        raise ValueError("a slide was judged by no fold")
    return np.asarray([logits[row.slide] for row in cohort.rows])


def fold_numbers(folds: Mapping[str, int]) -> list[int]:
    """ValueError for fewer than two."""
    numbers = sorted(set(folds.values()))
    if len(numbers) < 2:
        raise ValueError("cross-validation needs at least two folds")
    return numbers
