"""Teach one head from bags: class-weighted cross-entropy, a few bags per step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from xmag_train.data.cohort.folds import inner_folds
from xmag_train.mil.config import FitConfig
from xmag_train.mil.epochs import fit_epochs
from xmag_train.mil.heads import HeadName, StandardizedHead, build_head
from xmag_train.mil.keep import KeptFit, KeptFits


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


def fit_head(
    examples: Sequence[Example],
    name: HeadName,
    classes: int,
    settings: FitConfig,
    *,
    epochs: int,
    seed: int,
    kept: KeptFit,
    judge: Callable[[StandardizedHead], float] | None = None,
) -> tuple[StandardizedHead, list[float]]:
    """(a new head taught on ``examples``, in eval form; what ``judge`` said of it after each epoch)."""
    head = build_head(name, examples[0].features.shape[1], classes, settings.hidden, seed)
    head.fit(torch.cat([example.features for example in examples]))
    weights = class_weights([example.label for example in examples], classes)

    def losses(example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        tiles = sample_tiles(example.features, settings, generator)
        loss = bag_loss(head(tiles).logits, example.label) + head.extra_loss(tiles, example.label)
        return {"loss": weights[example.label] * loss}

    _, judged = fit_epochs(
        head,
        torch.optim.AdamW(head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay),
        examples,
        losses,
        slides_per_step=settings.bags_per_step,
        epochs=epochs,
        seed=seed,
        kept=kept,
        judge=None if judge is None else partial(judge, head),
    )
    return head, judged


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


def choose_epochs(
    examples: Sequence[Example], name: HeadName, classes: int, settings: FitConfig, *, seed: int, kept: KeptFits
) -> tuple[int, list[float]]:
    """The epoch count with the lowest mean loss on inner folds by case, and that loss after each epoch.

    Fewer inner folds than ``settings`` has where a class would be missing from what one of them learns from. Only
    ``examples``, the training part of an outer fold, are looked at.
    """
    if settings.epochs is not None:
        return settings.epochs, []
    labels = [example.label for example in examples]
    folds = inner_folds([example.case for example in examples], labels, settings.inner_folds, seed)
    weights = class_weights(labels, classes)
    losses = np.zeros((settings.epochs_max,))
    for inner in sorted(set(folds.values())):
        learning = [example for example in examples if folds[example.case] != inner]
        held = [example for example in examples if folds[example.case] == inner]
        _, judged = fit_head(
            learning,
            name,
            classes,
            settings,
            epochs=settings.epochs_max,
            seed=seed,
            kept=kept.part(f"inner-{inner}"),
            judge=partial(_summed_loss, held, weights),
        )
        losses += judged
    losses /= len(examples)
    return int(losses.argmin()) + 1, losses.tolist()


@torch.inference_mode()
def _summed_loss(examples: Sequence[Example], weights: Tensor, head: StandardizedHead) -> float:
    return sum(float(weights[one.label] * bag_loss(head(one.features).logits, one.label)) for one in examples)
