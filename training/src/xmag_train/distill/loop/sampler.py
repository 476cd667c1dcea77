"""Which region, view, reading and symmetry a step sees: a pure function of (seed, step), so nothing to store."""

from typing import NamedTuple

import numpy as np

from xmag_train.distill.views.view import SYMMETRIES, Symmetry


class Draw(NamedTuple):
    """One picture of a batch: indices of region, view and reading; ``symmetry`` on top of the view's own.

    ``disturbance``: seed of the pixels' disturbance, None for none.
    """

    region: int
    view: int
    reading: int
    symmetry: Symmetry
    disturbance: int | None = None


class BatchSampler:
    """Regions in a new order each epoch, ``views_per_region`` of each; the last, short batch of an epoch is left out.

    ``batch_regions`` counts all processes; process ``rank`` of ``world`` gets every ``world``-th of them.
    ``paired_readings``: of each region two draws that differ in the reading alone, the first of them reading 0.
    ``disturb_probability``: of a draw's pixels, never of the first of a pair.
    """

    def __init__(
        self,
        regions: int,
        *,
        batch_regions: int,
        views: int,
        views_per_region: int,
        readings: int,
        extra_symmetry: bool,
        seed: int,
        paired_readings: bool = False,
        disturb_probability: float = 0.0,
    ) -> None:
        if regions < batch_regions:
            raise ValueError(f"{regions} regions do not fill a batch of {batch_regions}")
        self.steps_per_epoch = regions // batch_regions
        self._regions, self._batch = regions, batch_regions
        self._views, self._per_region, self._readings = views, views_per_region, readings
        self._extra, self._seed, self._paired = extra_symmetry, seed, paired_readings
        self._disturb = disturb_probability

    def batch(self, step: int, rank: int = 0, world: int = 1) -> list[Draw]:
        """The draws of ``step`` (from 0) for one process, those of a region side by side."""
        epoch, at = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self._seed, 0, epoch]).permutation(self._regions)
        chosen = order[at * self._batch : (at + 1) * self._batch]
        rng = np.random.default_rng([self._seed, 1, step])
        of_region = [self._draws(int(region), rng) for region in chosen]
        return [draw for group in of_region[rank::world] for draw in group]

    def _draws(self, region: int, rng: np.random.Generator) -> list[Draw]:
        if not self._paired:
            return [self._draw(region, rng) for _ in range(self._per_region)]
        first = self._draw(region, rng)._replace(reading=0)
        other = first._replace(reading=int(rng.integers(1, self._readings)))
        return [first._replace(disturbance=None), other]

    def _draw(self, region: int, rng: np.random.Generator) -> Draw:
        symmetry = SYMMETRIES[int(rng.integers(len(SYMMETRIES)))] if self._extra else Symmetry()
        seed = int(rng.integers(2**31)) if rng.random() < self._disturb else None
        return Draw(region, int(rng.integers(self._views)), int(rng.integers(self._readings)), symmetry, seed)
