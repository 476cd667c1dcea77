"""The student with its two projection heads, which only training needs."""

from typing import NamedTuple

from torch import Tensor, nn


class Projector(nn.Module):
    """Linear – BatchNorm – GELU – Linear."""

    def __init__(self, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.GELU(), nn.Linear(hidden, outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[..., inputs] → [..., outputs]; the norm's statistics are over all leading axes."""
        return self.layers(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)


class Prediction(NamedTuple):
    """embedding [N, d]: the student's own; globally [N, D] and locally [N, 16, D]: in the teacher's space."""

    embedding: Tensor
    globally: Tensor
    locally: Tensor


class Distiller(nn.Module):
    """Heads on the student only; the teacher stays as it is."""

    def __init__(self, student: nn.Module, embedding_dim: int, teacher_dim: int, hidden: int) -> None:
        super().__init__()
        self.student = student
        self.global_head = Projector(embedding_dim, teacher_dim, hidden)
        self.local_head = Projector(embedding_dim, teacher_dim, hidden)

    def forward(self, tiles: Tensor) -> Prediction:
        """uint8 [N, 224, 224, 3] → ``Prediction``."""
        embedding, tokens = self.student(tiles)
        return Prediction(embedding, self.global_head(embedding), self.local_head(tokens.flatten(1, 2)))
