"""How near each other way of reading comes to level-0 LANCZOS, as the manifest wants it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xmag_train.distill.readings import Reading
from xmag_train.export.fidelity import FloatArray, cosines, median_by_slide
from xmag_train.export.tiles import TileSet

# The manifest's word for each way.
WAYS: dict[str, Reading] = {"box": "area", "coarse_level": "pyramid", "dct": "dct"}


def reader_cosine(embed: Callable[[NDArray[np.uint8]], FloatArray], held_out: TileSet) -> dict[str, float]:
    """Way → median cosine to LANCZOS of a slide's tiles, on the slide where it is lowest; rounded down to 4 digits.

    embed: uint8 [n, 224, 224, 3] → [n, D].
    """
    plain = embed(held_out.tiles("lanczos"))
    return {
        way: _floor(min(median_by_slide(cosines(plain, embed(held_out.tiles(reading))), held_out.slides).values()))
        for way, reading in WAYS.items()
    }


def _floor(value: float) -> float:
    return float(np.floor(value * 1e4) / 1e4)
