"""A view: what is done to a region before both magnifications are read from it."""

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from xmag_train.distill.views.stain_jitter import StainJitter, jitter_stain
from xmag_train.geometry import tiles_20x


@dataclass(frozen=True)
class Symmetry:
    """Mirror left-right first (``mirrored``), then ``turns`` quarter turns counter-clockwise (0 to 3)."""

    mirrored: bool = False
    turns: int = 0

    def apply(self, grid: Tensor) -> Tensor:
        """[rows, columns, ...] → the same, mirrored and turned. Exact: values are moved, never mixed.

        Pixels [896, 896, 3] and tokens [4, 4, D] alike: token (i, j) stays the mean of the pixels of block (i, j).
        """
        moved = grid.flip(1) if self.mirrored else grid
        return moved.rot90(self.turns, (0, 1))


SYMMETRIES = tuple(Symmetry(mirrored, turns) for mirrored in (False, True) for turns in range(4))


class AugmentConfig(BaseModel):
    """Half-widths of uniform draws around "unchanged"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stain_scale: float = Field(default=0.15, ge=0.0, lt=1.0)
    stain_shift_od: float = Field(default=0.02, ge=0.0, lt=0.5)
    light_gain: float = Field(default=0.05, ge=0.0, lt=0.5)
    seed: int = 0


@dataclass(frozen=True)
class View:
    """The same symmetry and the same stain jitter for the teacher's 16 tiles and the student's one."""

    symmetry: Symmetry
    jitter: StainJitter

    def apply(self, pixels: Tensor) -> Tensor:
        """uint8 [side, side, 3] RGB, of either magnification → the same shape."""
        return jitter_stain(self.symmetry.apply(pixels), self.jitter)


PLAIN = View(Symmetry(), StainJitter())


def draw_view(key: str, index: int, config: AugmentConfig) -> View:
    """View ``index`` of the region ``key``: always the same one. Index 0 is the region as it is."""
    if index == 0:
        return PLAIN
    rng = np.random.default_rng([config.seed, index, zlib.crc32(key.encode())])
    scale = 1.0 + rng.uniform(-config.stain_scale, config.stain_scale, 3)
    shift = rng.uniform(-config.stain_shift_od, config.stain_shift_od, 3)
    gain = 1.0 + rng.uniform(-config.light_gain, config.light_gain)
    symmetry = SYMMETRIES[int(rng.integers(len(SYMMETRIES)))]
    return View(symmetry, StainJitter(_three(scale), _three(shift), float(gain)))


def teacher_tiles(region: NDArray[np.uint8], view: View) -> Tensor:
    """uint8 [896, 896, 3] → uint8 [16, 224, 224, 3], row by row of the 4×4 grid of the changed region."""
    changed = view.apply(torch.from_numpy(region.copy()))  # torch wants memory that it may write
    return torch.from_numpy(tiles_20x(changed.numpy()))


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
