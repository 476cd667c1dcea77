"""Focus of 5x tiles: how much of the fine structure is there, compared with the structure twice as coarse.

The energy of the Laplacian (Pertuz et al., Pattern Recognition 46:1415-1432, 2013, operator LAP1) falls with blur but
also with paleness. It is divided by the same energy at half the resolution, so contrast and amount of tissue drop out.
Tissue of any kind then has similar values. On 413 tiles of 61 slides these were 0.42 to 2 in focus. Blurred by a
Gaussian of one pixel (2 µm) they were 0.14 to 0.19. A slide is judged by a sample of the tiles that are read anyway.
"""

import math

import numpy as np

from app.slides.types import Float32Array, UInt8Array

SAMPLE_TILES = 64
BLURRED = 0.15  # at and below: out of focus, no details of 4 µm left
SHARP = 0.40  # at and above: in focus
_NOISE = 6.0  # Laplacian energy of noise of half a grey level
_FLOOR = 20.0  # coarse energy below which a tile has no structure to compare with
_FLAT = 3.0  # grey levels between the darkest and the lightest pixel of a tile that shows nothing


def sharpness(tiles: UInt8Array) -> Float32Array:
    """Fine against coarse Laplacian energy, float32 [n], of uint8 [n, h, w, 3] tiles at 2.0 µm/px (h and w even).

    0 is without any detail; more blur never gives more. Meant for tiles that hold tissue: bare glass has no detail
    either. NaN for a tile of one colour, which tells nothing.
    """
    values = np.empty(len(tiles), np.float32)
    for index, tile in enumerate(tiles):
        grey = _grey(tile)
        if float(grey.max() - grey.min()) < _FLAT:
            values[index] = np.nan
            continue
        half = (grey[0::2, 0::2] + grey[1::2, 0::2] + grey[0::2, 1::2] + grey[1::2, 1::2]) / np.float32(4)
        fine = max(_laplacian_energy(grey) - _NOISE, 0.0)
        values[index] = fine / (_laplacian_energy(half) + _FLOOR)
    return values


def out_of_focus_fraction(sharpness_values: Float32Array) -> float | None:
    """Share of tiles out of focus, 0 to 1, from ``sharpness``; None where no tile could be judged.

    A tile counts fully below 0.15, not at all above 0.40 and in proportion between, so that the share rises with
    every step of blur. Raises ValueError for anything but one value per tile.
    """
    if sharpness_values.ndim != 1:
        raise ValueError(f"one sharpness per tile is wanted, not an array of shape {sharpness_values.shape}")
    judged = sharpness_values[~np.isnan(sharpness_values)]
    if judged.size == 0:
        return None
    return float(np.clip((SHARP - judged) / (SHARP - BLURRED), 0, 1).mean())


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


def _grey(tile: UInt8Array) -> Float32Array:
    """Weights 1, 2, 1: float32 [h, w], 0 to 255."""
    total = tile[..., 0].astype(np.uint16) + 2 * tile[..., 1].astype(np.uint16) + tile[..., 2]
    grey: Float32Array = total.astype(np.float32) / np.float32(4)
    return grey


def _laplacian_energy(grey: Float32Array) -> float:
    inner = 4 * grey[1:-1, 1:-1]
    inner -= grey[:-2, 1:-1]
    inner -= grey[2:, 1:-1]
    inner -= grey[1:-1, :-2]
    inner -= grey[1:-1, 2:]
    # Not by a BLAS, whose sums differ with its number of threads: a reader and its parent must find the same.
    return float(np.square(inner, out=inner).sum(dtype=np.float64)) / max(inner.size, 1)
