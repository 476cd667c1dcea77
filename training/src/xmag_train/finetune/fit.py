"""End to end: cross-entropy of the slide plus λ · (1 - cosine) of each region to the teacher's embedding.

Batch norms stay as they are, statistics and scale: a step sees regions of a few slides only, which are no sample of
what the student will meet.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from xmag_train.distill.symmetry import SYMMETRIES
from xmag_train.finetune.config import TuneConfig
from xmag_train.finetune.slides import TunedSlide
from xmag_train.mil.fit import bag_loss, class_weights
from xmag_train.mil.heads import StandardizedHead

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
    x, y = embeddings.double(), targets.double()
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    centred = x - x_mean
    gram = centred.T @ centred
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weight = torch.linalg.solve(gram, centred.T @ (y - y_mean)).T
    linear = nn.Linear(x.shape[1], y.shape[1])
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(y_mean - weight @ x_mean)
    return linear


def tune_epochs(
    model: TunedModel, slides: Sequence[TunedSlide], classes: int, settings: TuneConfig, *, epochs: int, seed: int
) -> Iterator[dict[str, float]]:
    """Teach ``model`` in place; after each epoch its mean losses. All that is drawn is drawn from ``seed``."""
    model.learning_mode()
    learning = [value for value in model.student.parameters() if value.requires_grad]
    others = [*model.head.parameters(), *model.projection.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": learning, "lr": settings.student_learning_rate},
            {"params": others, "lr": settings.head_learning_rate},
        ],
        weight_decay=settings.weight_decay,
    )
    weights = class_weights([slide.label for slide in slides], classes)
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        model.learning_mode()
        sums = np.zeros(2)
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
            nn.utils.clip_grad_norm_([*learning, *others], settings.clip_norm)
            optimizer.step()
        model.eval()
        yield {"classification": sums[0] / len(slides), "distillation": sums[1] / len(slides)}


@torch.inference_mode()
def embed_slide(student: nn.Module, tiles: Tensor, batch: int = 16) -> Tensor:
    """uint8 [N, 224, 224, 3] → float32 [N, D] on the CPU."""
    device = next(student.parameters()).device
    return torch.cat([student(part.to(device))[0].float().cpu() for part in tiles.split(batch)])
