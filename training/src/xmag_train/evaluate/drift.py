"""How far a slide's score moves when the head sees a sample of its tiles and not all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from xmag_train.cohort.table import Cohort
from xmag_train.evaluate.config import MilTask
from xmag_train.mil.bags import bag_folder, read_features
from xmag_train.mil.heads import build_head

DRAWS = 20


@dataclass(frozen=True)
class Drift:
    """``tiles`` drawn at random from larger bags: absolute change of a class's logit, and of its probability."""

    tiles: int
    bags: int
    logit_median: float
    logit_p95: float
    probability_p95: float


def drift(task: MilTask, pattern: str, cohort: Cohort, folds: Mapping[str, int], run: Path) -> list[Drift]:
    """Each fold's head (`<run>/folds/head-<fold>.pt`) on its own unseen bags. Sizes no bag exceeds are left out."""
    generator = torch.Generator().manual_seed(task.seed)
    changes: dict[int, list[np.ndarray]] = {size: [] for size in task.sampled_tiles}
    bags: dict[int, int] = dict.fromkeys(task.sampled_tiles, 0)
    for fold in sorted(set(folds.values())):
        slides = [row.slide for row in cohort.rows if folds[row.case] == fold]
        features = read_features(bag_folder(pattern, fold), slides)
        content = torch.load(run / "folds" / f"head-{fold}.pt", map_location="cpu", weights_only=True)
        width = next(iter(features.values())).shape[1]
        head = build_head(content["head"], width, len(cohort.labels), task.fit.hidden, seed=0)
        head.load_state_dict(content["state_dict"])
        head.eval()
        for bag in features.values():
            for size in task.sampled_tiles:
                if len(bag) > size:
                    bags[size] += 1
                    changes[size].append(_changes(head, bag, size, generator))
    return [_summary(size, bags[size], changes[size]) for size in task.sampled_tiles if bags[size]]


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


def _summary(size: int, bags: int, changes: Sequence[np.ndarray]) -> Drift:
    both = np.concatenate(changes)
    p95 = np.quantile(both, 0.95, axis=0)
    return Drift(size, bags, float(np.median(both[:, 0])), float(p95[0]), float(p95[1]))
