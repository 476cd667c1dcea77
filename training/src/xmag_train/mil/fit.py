"""Teach one head from bags: class-weighted cross-entropy, a few bags per step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from xmag_train.cohort.folds import CaseStrata, assign_folds
from xmag_train.mil.config import FitConfig
from xmag_train.mil.heads import HeadName, StandardizedHead, build_head


@dataclass(frozen=True)
class Example:
    """A slide with its bag: ``features`` float32 [N, D]; ``label``: index of its class."""

    slide: str
    case: str
    label: int
    features: Tensor


def class_weights(labels: Sequence[int], classes: int) -> Tensor:
    """float32 [C], inverse to how common a class is among ``labels``, mean 1 over them. ValueError if one is absent."""
    counts = torch.bincount(torch.tensor(labels), minlength=classes).float()
    if (counts == 0).any():
        raise ValueError(f"classes without a slide in the training part: {counts.tolist()}")
    return len(labels) / (classes * counts)


def fit_epochs(
    examples: Sequence[Example], name: HeadName, classes: int, settings: FitConfig, *, epochs: int, seed: int
) -> Iterator[StandardizedHead]:
    """A new head, taught on ``examples``; given out after each epoch (the same object, in eval form)."""
    width = examples[0].features.shape[1]
    head = build_head(name, width, classes, settings.hidden, seed)
    head.fit(torch.cat([example.features for example in examples]))
    weights = class_weights([example.label for example in examples], classes)
    optimizer = torch.optim.AdamW(head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        head.train()
        order = torch.randperm(len(examples), generator=generator).tolist()
        for start in range(0, len(order), settings.bags_per_step):
            step = order[start : start + settings.bags_per_step]
            optimizer.zero_grad()
            for index in step:
                example = examples[index]
                tiles = sample_tiles(example.features, settings, generator)
                loss = bag_loss(head(tiles).logits, example.label) + head.extra_loss(tiles, example.label)
                (weights[example.label] * loss / len(step)).backward()
            optimizer.step()
        yield head.eval()


def sample_tiles(features: Tensor, settings: FitConfig, generator: torch.Generator) -> Tensor:
    """A random share of the bag's tiles, at least one."""
    count = min(settings.tiles_max, max(1, round(len(features) * settings.tile_keep)))
    return features[torch.randperm(len(features), generator=generator)[:count]]


def bag_loss(logits: Tensor, label: int) -> Tensor:
    """Cross-entropy of one bag: [C] → scalar."""
    return nn.functional.cross_entropy(logits[None], torch.tensor([label], device=logits.device))


@torch.inference_mode()
def logits_of(head: nn.Module, examples: Sequence[Example]) -> np.ndarray:
    """float64 [n, C], whole bags."""
    return torch.stack([head(example.features).logits for example in examples]).double().numpy()


def fit_head(
    examples: Sequence[Example], name: HeadName, classes: int, settings: FitConfig, *, epochs: int, seed: int
) -> StandardizedHead:
    """The head after ``epochs`` epochs."""
    *_, head = fit_epochs(examples, name, classes, settings, epochs=epochs, seed=seed)
    return head


def choose_epochs(
    examples: Sequence[Example], name: HeadName, classes: int, settings: FitConfig, seed: int
) -> tuple[int, list[float]]:
    """The epoch count with the lowest mean loss on inner folds by case, and that loss after each epoch.

    Only ``examples``, the training part of an outer fold, are looked at.
    """
    if settings.epochs is not None:
        return settings.epochs, []
    strata = {}
    for example in examples:
        strata.setdefault(example.case, []).append(example.label)
    cases = [CaseStrata(case, (str(max(labels)),), len(labels)) for case, labels in strata.items()]
    folds = assign_folds(cases, settings.inner_folds, seed)
    weights = class_weights([example.label for example in examples], classes)
    losses = np.zeros((settings.epochs_max,))
    for inner in range(settings.inner_folds):
        learning = [example for example in examples if folds[example.case] != inner]
        held = [example for example in examples if folds[example.case] == inner]
        heads = fit_epochs(learning, name, classes, settings, epochs=settings.epochs_max, seed=seed)
        for epoch, head in enumerate(heads):
            with torch.inference_mode():
                losses[epoch] += sum(
                    float(weights[example.label] * bag_loss(head(example.features).logits, example.label))
                    for example in held
                )
    losses /= len(examples)
    return int(losses.argmin()) + 1, losses.tolist()
