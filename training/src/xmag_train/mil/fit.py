"""Teach one head from bags: class-weighted cross-entropy, a few bags per step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from xmag_train.data.cohort.folds import inner_folds
from xmag_train.mil.config import FitConfig
from xmag_train.mil.heads import HeadName, StandardizedHead, build_head
from xmag_train.mil.keep import KeptFit, KeptFits, epoch_seed


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
    """(a new head taught on ``examples``, in eval form; what ``judge`` said of it after each epoch).

    Goes on from ``kept`` where an earlier run was broken off.
    """
    width = examples[0].features.shape[1]
    head = build_head(name, width, classes, settings.hidden, seed)
    head.fit(torch.cat([example.features for example in examples]))
    optimizer = torch.optim.AdamW(head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    done, judged = 0, list[float]()
    state = kept.load()
    if state is not None:
        done, judged = int(state["epochs"]), list(state["judged"])
        head.load_state_dict(state["head"])
        optimizer.load_state_dict(state["optimizer"])
    for epoch in range(done, epochs):
        _fit_epoch(head.train(), optimizer, examples, classes, settings, epoch_seed(seed, epoch))
        head.eval()
        if judge is not None:
            judged.append(judge(head))
        now = {"epochs": epoch + 1, "judged": judged, "head": head.state_dict(), "optimizer": optimizer.state_dict()}
        kept.save(now, last=epoch + 1 == epochs, steps=math.ceil(len(examples) / settings.bags_per_step))
    return head.eval(), judged


def _fit_epoch(  # noqa: PLR0917 (one caller, just above)
    head: StandardizedHead,
    optimizer: torch.optim.Optimizer,
    examples: Sequence[Example],
    classes: int,
    settings: FitConfig,
    seed: int,
) -> None:
    weights = class_weights([example.label for example in examples], classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout, where a head has it
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
    examples: Sequence[Example],
    name: HeadName,
    classes: int,
    settings: FitConfig,
    *,
    epochs: int,
    seed: int,
    kept: KeptFit,
) -> StandardizedHead:
    """The head after ``epochs`` epochs."""
    return fit_epochs(examples, name, classes, settings, epochs=epochs, seed=seed, kept=kept)[0]


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
        _, judged = fit_epochs(
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
