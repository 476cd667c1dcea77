"""Stain jitter: the amounts of haematoxylin, eosin and rest are scaled and shifted, pixel by pixel.

Colour deconvolution after Ruifrok & Johnston 2001 (Anal Quant Cytol Histol 23:291): optical density
OD = -log10(I / I0) = concentrations × stain vectors. A function of single pixels,
it is the same at 20x and 5x.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Rows: haematoxylin, eosin, DAB as the rest (Ruifrok & Johnston, table of vectors), scaled to length 1.
STAIN_VECTORS = torch.tensor([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105], [0.268, 0.570, 0.776]])
STAINS = torch.nn.functional.normalize(STAIN_VECTORS, dim=1)
WHITE = 255.0
_DARKEST = 1.0


@dataclass(frozen=True)
class StainJitter:
    """``scale``: factor on each stain's amount; ``shift``: optical density added to it; ``gain``: of the light."""

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gain: float = 1.0

    @property
    def is_identity(self) -> bool:
        """Whether pixels stay as they are."""
        return self == StainJitter()


def jitter_stain(pixels: Tensor, jitter: StainJitter) -> Tensor:
    """uint8 [..., 3] RGB → uint8 [..., 3]; the identity gives the very same values."""
    if jitter.is_identity:
        return pixels
    density = density_table()[pixels.long()]
    mixed = density @ density_matrix(jitter) + torch.tensor(jitter.shift) @ STAINS
    light = torch.exp(mixed * -_LN10).mul_(WHITE * jitter.gain)
    return light.round_().clamp_(0.0, WHITE).to(torch.uint8)


def density_matrix(jitter: StainJitter) -> Tensor:
    """float32 [3, 3] that a row of optical densities is multiplied by: into stains, scaled, and back."""
    return torch.linalg.inv(STAINS) @ torch.diag(torch.tensor(jitter.scale)) @ STAINS


def density_table() -> Tensor:
    """float32 [256]: optical density of each value; 0 is taken for 1."""
    values = torch.arange(256, dtype=torch.float32).clamp(min=_DARKEST)
    return -torch.log10(values / WHITE)


_LN10 = 2.302585092994046
