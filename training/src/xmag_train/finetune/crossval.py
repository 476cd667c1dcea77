"""End-to-end training, fold by fold: what is judged was never learnt from."""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from xmag_train.data.cohort.folds import inner_folds
from xmag_train.finetune.config import FinetuneConfig
from xmag_train.finetune.fit import TunedModel, embed_slide, fit_projection, tune_epochs
from xmag_train.finetune.slides import TunedSlide
from xmag_train.mil.bags import path_of_fold
from xmag_train.mil.fit import Example, bag_loss, class_weights, fit_head
from xmag_train.mil.keep import KeptFit, KeptFits
from xmag_train.networks.students.checkpoint import load_student


def start_model(config: FinetuneConfig, slides: Sequence[TunedSlide], student: nn.Module, kept: KeptFit) -> TunedModel:
    """The student as distilled, a head taught on it while it stands still, and the projection fitted to it."""
    student = copy.deepcopy(student).to(config.device).eval()
    embedded = [embed_slide(student, slide.tiles) for slide in slides]
    examples = [Example(s.slide, s.case, s.label, bag) for s, bag in zip(slides, embedded, strict=True)]
    fit = config.head_fit
    head, _ = fit_head(examples, config.head, len(config.labels), fit, epochs=fit.epochs, seed=config.seed, kept=kept)
    projection = fit_projection(torch.cat(embedded), torch.cat([slide.targets for slide in slides]))
    return TunedModel(student, head, projection).to(config.device)


def tune(
    config: FinetuneConfig, slides: Sequence[TunedSlide], student: nn.Module, epochs: int, kept: KeptFits
) -> tuple[TunedModel, list[dict[str, float]]]:
    """(the tuned model in eval form, its mean losses by epoch)."""
    model = start_model(config, slides, student, kept.part("start"))
    curve, _ = tune_epochs(
        model, slides, len(config.labels), config.tune, epochs=epochs, seed=config.seed, kept=kept.part("whole")
    )
    return model.eval(), curve


def choose_tune_epochs(
    config: FinetuneConfig, slides: Sequence[TunedSlide], student: nn.Module, kept: KeptFits
) -> tuple[int, list[float]]:
    """The epoch count of least loss on one inner part (by case) of the training slides, and the loss by epoch."""
    if config.tune.epochs is not None:
        return config.tune.epochs, []
    labels = [slide.label for slide in slides]
    folds = inner_folds([slide.case for slide in slides], labels, config.tune.inner_folds, config.seed)
    learning = [slide for slide in slides if folds[slide.case] != 0]
    held = [slide for slide in slides if folds[slide.case] == 0]
    weights = class_weights(labels, len(config.labels))

    def loss(model: TunedModel) -> float:
        parts = [
            weights[slide.label] * bag_loss(torch.from_numpy(row), slide.label)
            for slide, row in zip(held, judge(model, held), strict=True)
        ]
        return float(torch.stack(parts).mean())

    _, losses = tune_epochs(
        start_model(config, learning, student, kept.part("inner-start")),
        learning,
        len(config.labels),
        config.tune,
        epochs=config.tune.epochs_max,
        seed=config.seed,
        kept=kept.part("inner"),
        judge=loss,
    )
    return int(np.argmin(losses)) + 1, losses


@torch.inference_mode()
def judge(model: TunedModel, slides: Sequence[TunedSlide]) -> np.ndarray:
    """Logits float64 [n, C], all regions of each slide."""
    device = next(model.parameters()).device
    rows = [model.head(embed_slide(model.student, slide.tiles).to(device)).logits.cpu() for slide in slides]
    return torch.stack(rows).double().numpy()


def student_of(pattern: str, fold: int | None) -> tuple[str, nn.Module, Path]:
    """(name, module, file) of the fold's student; None: of the one distilled on all."""
    path = path_of_fold(pattern, fold)
    name, module = load_student(path)
    return name, module, path
