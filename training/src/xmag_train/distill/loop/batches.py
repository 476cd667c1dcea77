"""From draws to pixels and targets."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xmag_train.distill.config import DistillConfig
from xmag_train.distill.loop.data import TrainingData
from xmag_train.distill.loop.sampler import Draw
from xmag_train.distill.views.disturbance import disturb
from xmag_train.distill.views.readings import READINGS
from xmag_train.distill.views.view import Symmetry, draw_view, teacher_tiles
from xmag_train.geometry import TOKENS


class Batch(NamedTuple):
    """tiles uint8 [N, 224, 224, 3]; targets [N, 16, D] of the teacher, or None where it runs live.

    teacher_tiles: uint8 [N, 16, 224, 224, 3] for the live teacher, else None.
    """

    tiles: Tensor
    targets: Tensor | None
    teacher_tiles: Tensor | None


class BatchMaker:
    """Cuts what a draw asks for out of the caches."""

    def __init__(self, data: TrainingData, config: DistillConfig) -> None:
        self._regions, self._rows, self._tiles, self._targets = data.regions, data.rows, data.tiles, data.targets
        self._augment = config.augment
        self._readings = [READINGS.index(reading) for reading in config.readings]

    def make(self, draws: Sequence[Draw]) -> Batch:
        """The pictures and what is wanted of them, one row a draw."""
        tiles = torch.stack([self._student_tile(draw) for draw in draws])
        if self._targets is None:
            return Batch(tiles, None, torch.stack([self._teacher_tiles(draw) for draw in draws]))
        return Batch(tiles, torch.stack([self._target(draw, self._targets) for draw in draws]), None)

    def _student_tile(self, draw: Draw) -> Tensor:
        tile = np.array(self._tiles[self._rows[draw.region], self._readings[draw.reading]])
        if draw.disturbance is not None:
            tile = disturb(tile, np.random.default_rng(draw.disturbance))
        pixels = torch.from_numpy(tile)
        view = draw_view(self._regions[draw.region].key, draw.view, self._augment)
        return draw.symmetry.apply(view.apply(pixels))

    def _target(self, draw: Draw, targets: Sequence[NDArray[np.float16]]) -> Tensor:
        return move_tokens(torch.from_numpy(np.array(targets[draw.view][self._rows[draw.region]])), draw.symmetry)

    def _teacher_tiles(self, draw: Draw) -> Tensor:
        """The view's tiles, in the places to which the draw's own symmetry moves them: each tile stays as it is."""
        region = self._regions[draw.region]
        tiles = teacher_tiles(region.pixels(), draw_view(region.key, draw.view, self._augment))
        return tiles[move_tokens(torch.arange(len(tiles)), draw.symmetry).flatten()]


def move_tokens(tokens: Tensor, symmetry: Symmetry) -> Tensor:
    """[16, D] row by row of the 4×4 grid → the same of the mirrored or turned picture."""
    return symmetry.apply(tokens.reshape(TOKENS, TOKENS, -1)).reshape(TOKENS * TOKENS, -1)
