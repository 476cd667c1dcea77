"""End to end: cross-entropy of the slide plus λ · (1 - cosine) of each region to the teacher's embedding.

Batch norms stay as they are, statistics and scale: a step sees regions of a few slides only, which are no sample of
what the student will meet.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from xmag_train.distill.views.view import SYMMETRIES
from xmag_train.finetune.config import TuneConfig
from xmag_train.finetune.slides import TunedSlide
from xmag_train.mil.fit import bag_loss, class_weights
from xmag_train.mil.heads import StandardizedHead
from xmag_train.mil.keep import KeptFit, epoch_seed

RIDGE = 1e-2
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class TunedModel(nn.Module):
    """Student, head, and the projection onto the teacher's width that training alone needs."""

    def __init__(self, student: nn.Module, head: StandardizedHead, projection: nn.Linear) -> None:
        super().__init__()
        self.student = student
        self.head = head
        self.projection = projection

    def learning_mode(self) -> None:
        """Train form with batch norms frozen."""
        self.train()
        for module in self.student.modules():
            if isinstance(module, NORMS):
                module.eval().requires_grad_(False)

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
    """Teach ``model`` in place: (mean losses of each epoch, what ``judge`` said after it); eval form at the end.

    Goes on from ``kept`` where an earlier run was broken off. All that is drawn is drawn from ``seed`` and the epoch.
    """
    model.learning_mode()
    optimizer = _optimizer(model, settings)
    curve, judged = list[dict[str, float]](), list[float]()
    state = kept.load()
    if state is not None:
        curve, judged = list(state["curve"]), list(state["judged"])
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    for epoch in range(len(curve), epochs):
        curve.append(_tune_epoch(model, optimizer, slides, classes, settings, epoch_seed(seed, epoch)))
        if judge is not None:
            judged.append(judge(model.eval()))
        now = {"curve": curve, "judged": judged, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
        kept.save(now, last=epoch + 1 == epochs, steps=math.ceil(len(slides) / settings.bags_per_step))
    model.eval()
    return curve, judged


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


def _tune_epoch(  # noqa: PLR0917 (one caller, just above)
    model: TunedModel,
    optimizer: torch.optim.Optimizer,
    slides: Sequence[TunedSlide],
    classes: int,
    settings: TuneConfig,
    seed: int,
) -> dict[str, float]:
    """One pass over the slides; its mean losses."""
    weights = class_weights([slide.label for slide in slides], classes)
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    model.learning_mode()
    learning = [value for group in optimizer.param_groups for value in group["params"]]
    sums = np.zeros(2)
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # of dropout, where a head has it
        order = torch.randperm(len(slides), generator=generator).tolist()
        for start in range(0, len(order), settings.bags_per_step):
            step = order[start : start + settings.bags_per_step]
            optimizer.zero_grad()
            for index in step:
                slide = slides[index]
                drawn = torch.randperm(len(slide.tiles), generator=generator)[: settings.regions_per_bag]
                symmetry = SYMMETRIES[int(torch.randint(len(SYMMETRIES), (1,), generator=generator))]
                tiles = torch.stack([symmetry.apply(tile) for tile in slide.tiles[drawn]]).to(device)
                classification, distillation = model.losses(tiles, slide.targets[drawn].to(device), slide.label)
                loss = weights[slide.label] * classification + settings.distillation * distillation
                (loss / len(step)).backward()
                sums += (float(classification.detach()), float(distillation.detach()))
            nn.utils.clip_grad_norm_(learning, settings.clip_norm)
            optimizer.step()
    return {"classification": float(sums[0]) / len(slides), "distillation": float(sums[1]) / len(slides)}


@torch.inference_mode()
def embed_slide(student: nn.Module, tiles: Tensor, batch: int = 16) -> Tensor:
    """uint8 [N, 224, 224, 3] → float32 [N, D] on the CPU."""
    device = next(student.parameters()).device
    return torch.cat([student(part.to(device))[0].float().cpu() for part in tiles.split(batch)])
