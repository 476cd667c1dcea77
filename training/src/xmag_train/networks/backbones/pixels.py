"""Pixel scaling as part of a network."""

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
RGB = tuple[float, float, float]


class Normalise(nn.Module):
    """uint8 [N, h, w, 3] RGB → float [N, 3, h, w]: (x / 255 - mean) / std, in the precision of its buffers."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: RGB = IMAGENET_MEAN, std: RGB = IMAGENET_STD) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None] * 255.0, persistent=False)
        self.register_buffer("scale", 1.0 / (torch.tensor(std)[:, None, None] * 255.0), persistent=False)

    def forward(self, tiles: Tensor) -> Tensor:
        """Scale and move the channels to the front."""
        return (tiles.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) * self.scale
