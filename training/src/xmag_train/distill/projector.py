"""From the student's width to the teacher's. Only for training: dropped at export."""

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
