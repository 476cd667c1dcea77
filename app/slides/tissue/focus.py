"""How much of a slide is out of focus, told from a sample of the tiles that are read anyway."""

import math

import numpy as np

from app.slides.tissue.sharpness import out_of_focus_fraction, sharpness
from app.slides.types import UInt8Array

SAMPLE_TILES = 64


class FocusSample:
    """Up to 64 of ``total`` tiles, spread evenly over the reading order."""

    def __init__(self, total: int) -> None:
        count = min(total, SAMPLE_TILES)
        self._wanted = {int(index) for index in np.linspace(0, total - 1, count).round()} if count else set()
        self._sharpness: dict[int, float] = {}

    def look_at(self, index: int, tile: UInt8Array) -> None:
        """Measure the tile at ``index`` (uint8 [h, w, 3]) if it is one of the sample."""
        if index in self._wanted:
            self._sharpness[index] = float(sharpness(tile[None])[0])

    def judged(self) -> list[tuple[int, float]]:
        """(tile, sharpness) of those that hold enough to be judged, in the tiles' order."""
        return sorted((index, value) for index, value in self._sharpness.items() if not math.isnan(value))

    def fraction(self) -> float | None:
        """0 to 1 of the tissue looked at; None where no tile of the sample was read or none holds enough tissue."""
        if not self._sharpness:
            return None
        return out_of_focus_fraction(np.array(list(self._sharpness.values()), np.float32))
