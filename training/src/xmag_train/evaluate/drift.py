"""How far a slide's score moves when the head sees a sample of its tiles and not all.

"All" depends on the bag. A bag of `xmag-train embed` or of the service holds every tile of the slide. One of
`xmag-train bags` holds the few regions of the slide that the corpus has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from xmag_train.data.cohort.table import Cohort, fold_of_cases
from xmag_train.evaluate.config import MilTask, WholeSlides
from xmag_train.mil.bags import path_of_fold, read_bag
from xmag_train.mil.checkpoint import load_head
from xmag_train.progress import track

DRAWS = 20
WHOLE_SLIDE, CORPUS_BAG = "whole slide", "corpus bag"


@dataclass(frozen=True)
class Judged:
    """A bag, and the fold whose head judges it: one that never saw the bag's case.

    ``named``: by the config as a whole slide, and not one of those that the heads were cross-validated on.
    """

    path: Path
    fold: int
    named: bool = False


@dataclass(frozen=True)
class Drift:
    """``tiles`` drawn at random from larger bags: absolute change of a class's logit, and of its probability.

    ``whole``: what the larger bag is; ``whole_tiles``: its median size.
    """

    whole: str
    tiles: int
    bags: int
    whole_tiles: float
    logit_median: float
    logit_p95: float
    probability_p95: float


def corpus_bags(pattern: str, cohort: Cohort, folds: Mapping[str, int]) -> list[Judged]:
    """The task's own bags, each judged by its case's fold."""
    return [
        Judged(path_of_fold(pattern, folds[row.case]) / f"{row.slide}.h5", folds[row.case])
        for row in sorted(cohort.rows, key=lambda row: folds[row.case])
    ]


def whole_bags(named: WholeSlides, cohort: Cohort, folds_csv: Path) -> list[Judged]:
    """Those of whole slides. One of no case of the folds was seen by no fold's student: the lowest fold's judges it.

    FileNotFoundError names bags that are missing; ValueError where one does not hold a whole slide, or a case is in no
    fold.
    """
    cases: dict[str, str | None] = named.cases or {row.slide: row.case for row in cohort.rows}
    fold_of = fold_of_cases(folds_csv, {case for case in cases.values() if case is not None})
    found = []
    for name, case in cases.items():
        fold = min(fold_of.values()) if case is None else fold_of[case]
        found.append(Judged(path_of_fold(named.bags, fold) / f"{name}.h5", fold, named=True))
    missing = [str(judged.path) for judged in found if not judged.path.is_file()]
    if missing:
        raise FileNotFoundError(f"{len(missing)} bags of whole slides are missing, such as {missing[:3]}: `embed` them")
    for judged in found:
        if what_is_whole(judged.path) != WHOLE_SLIDE:
            raise ValueError(f"{judged.path} does not say that it holds a whole slide: make it by `xmag-train embed`")
    return found


def what_is_whole(path: Path) -> str:
    """A bag that knows the slide's extent, as `embed` and the service write it, holds all of its tiles."""
    with h5py.File(path, "r") as file:
        return WHOLE_SLIDE if {"level0_width", "level0_height"} <= set(file["coords"].attrs) else CORPUS_BAG


def drift(task: MilTask, bags: Sequence[Judged], run: Path) -> list[Drift]:
    """By the heads `<run>/folds/head-<fold>.pt`; a row for each kind of whole and size that some bag exceeds.

    ValueError where a whole slide's bag was made by another encoder than the head's.
    """
    generator = torch.Generator().manual_seed(task.seed)
    changes: dict[tuple[str, int], list[np.ndarray]] = {}
    sizes: dict[tuple[str, int], list[int]] = {}
    heads = {fold: load_head(run / "folds" / f"head-{fold}.pt") for fold in {bag.fold for bag in bags}}
    for judged in track(bags, "drift"):
        bag, kind = read_bag(judged.path), what_is_whole(judged.path)
        head, facts = heads[judged.fold]
        if judged.named and bag.attributes.get("encoder_sha256", "") != facts.encoder_sha256:
            raise ValueError(
                f"{judged.path} was made by another encoder than what head-{judged.fold}.pt learnt from: embed it by "
                "that one"
            )
        features = torch.from_numpy(bag.features)
        for size in task.sampled_tiles:
            if len(features) > size:
                sizes.setdefault((kind, size), []).append(len(features))
                changes.setdefault((kind, size), []).append(_changes(head, features, size, generator))
    return [_summary(kind, size, sizes[kind, size], changes[kind, size]) for kind, size in sorted(changes)]


@torch.inference_mode()
def _changes(head: torch.nn.Module, bag: torch.Tensor, size: int, generator: torch.Generator) -> np.ndarray:
    """[DRAWS, 2]: largest change over classes, of logits (centred: a shift of all is none) and of probabilities."""
    whole = head(bag).logits
    rows = []
    for _ in range(DRAWS):
        part = head(bag[torch.randperm(len(bag), generator=generator)[:size]]).logits
        logit = ((part - part.mean()) - (whole - whole.mean())).abs().max()
        probability = (part.softmax(dim=0) - whole.softmax(dim=0)).abs().max()
        rows.append([float(logit), float(probability)])
    return np.asarray(rows)


def _summary(kind: str, size: int, wholes: Sequence[int], changes: Sequence[np.ndarray]) -> Drift:
    both = np.concatenate(changes)
    p95 = np.quantile(both, 0.95, axis=0)
    return Drift(
        whole=kind,
        tiles=size,
        bags=len(wholes),
        whole_tiles=float(np.median(wholes)),
        logit_median=float(np.median(both[:, 0])),
        logit_p95=float(p95[0]),
        probability_p95=float(p95[1]),
    )
