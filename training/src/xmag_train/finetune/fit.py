"""End to end: cross-entropy of the slide plus λ · (1 - cosine) of each region to the teacher's embedding.

Batch norms stay as they are, statistics and scale. A step sees regions of a few slides only, which do not represent
the slides that the student will meet.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from xmag_train.distill.views.view import SYMMETRIES
from xmag_train.finetune.config import TuneConfig
from xmag_train.finetune.slides import TunedSlide
from xmag_train.mil.epochs import fit_epochs
from xmag_train.mil.fit import bag_loss, class_weights
from xmag_train.mil.heads import StandardizedHead
from xmag_train.mil.keep import KeptFit

RIDGE = 1e-2
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class TunedModel(nn.Module):
    """Student, head, and the projection onto the teacher's width that training alone needs."""

    def __init__(self, student: nn.Module, head: StandardizedHead, projection: nn.Linear) -> None:
        super().__init__()
        self.student = student
        self.head = head
        self.projection = projection
        self._norms = [module for module in student.modules() if isinstance(module, NORMS)]
        for norm in self._norms:
            norm.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Batch norms stay as they are."""
        super().train(mode)
        for norm in self._norms:
            norm.eval()
        return self

    def losses(self, tiles: Tensor, targets: Tensor, label: int) -> tuple[Tensor, Tensor]:
        """(cross-entropy of the bag, mean of 1 - cosine over its regions). [n, 224, 224, 3], [n, Dt] → scalars."""
        embeddings = self.student(tiles)[0]
        classification = bag_loss(self.head(embeddings).logits, label) + self.head.extra_loss(embeddings, label)
        cosine = nn.functional.cosine_similarity(self.projection(embeddings), targets, dim=1)
        return classification, (1 - cosine).mean()


def fit_projection(embeddings: Tensor, targets: Tensor) -> nn.Linear:
    """Ridge regression of ``targets`` [n, Dt] on ``embeddings`` [n, D]: where the student already stands."""
    x, y = embeddings.double().numpy(), targets.double().numpy()
    ridge = Ridge(alpha=RIDGE * len(x) * x.var(axis=0).mean()).fit(x, y)
    linear = nn.Linear(x.shape[1], y.shape[1])
    linear.load_state_dict({"weight": torch.from_numpy(ridge.coef_), "bias": torch.from_numpy(ridge.intercept_)})
    return linear


def tune_epochs(
    model: TunedModel,
    slides: Sequence[TunedSlide],
    classes: int,
    settings: TuneConfig,
    *,
    epochs: int,
    seed: int,
    kept: KeptFit,
    judge: Callable[[TunedModel], float] | None = None,
) -> tuple[list[dict[str, float]], list[float]]:
    """Teach ``model`` in place: (mean losses of each epoch, what ``judge`` said after it); eval form at the end."""
    weights = class_weights([slide.label for slide in slides], classes)
    device = next(model.parameters()).device

    def losses(slide: TunedSlide, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = torch.randperm(len(slide.tiles), generator=generator)[: settings.regions_per_bag]
        symmetry = SYMMETRIES[int(torch.randint(len(SYMMETRIES), (1,), generator=generator))]
        tiles = torch.stack([symmetry.apply(tile) for tile in slide.tiles[drawn]]).to(device)
        classification, distillation = model.losses(tiles, slide.targets[drawn].to(device), slide.label)
        loss = weights[slide.label] * classification + settings.distillation * distillation
        return {"loss": loss, "classification": classification, "distillation": distillation}

    return fit_epochs(
        model,
        _optimizer(model, settings),
        slides,
        losses,
        slides_per_step=settings.bags_per_step,
        epochs=epochs,
        seed=seed,
        kept=kept,
        judge=None if judge is None else partial(judge, model),
        clip_norm=settings.clip_norm,
    )


def _optimizer(model: TunedModel, settings: TuneConfig) -> torch.optim.AdamW:
    student = [value for value in model.student.parameters() if value.requires_grad]
    others = [*model.head.parameters(), *model.projection.parameters()]
    return torch.optim.AdamW(
        [
            {"params": student, "lr": settings.student_learning_rate},
            {"params": others, "lr": settings.head_learning_rate},
        ],
        weight_decay=settings.weight_decay,
    )


@torch.inference_mode()
def embed_slide(student: nn.Module, tiles: Tensor, batch: int = 16) -> Tensor:
    """uint8 [N, 224, 224, 3] → float32 [N, D] on the CPU."""
    device = next(student.parameters()).device
    return torch.cat([student(part.to(device))[0].float().cpu() for part in tiles.split(batch)])
