"""The student with its two projection heads."""

from typing import NamedTuple

from torch import Tensor, nn

from xmag_train.distill.projector import Projector


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
