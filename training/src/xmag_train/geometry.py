"""The geometry that students, teachers and data share: a region seen at 5x as one tile, at 20x as a grid of them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

TILE_PX: Final = 224
"""Side of a network's input, at either magnification."""
TILE_MPP: Final = 2.0
"""µm per pixel of a 5x tile."""
TOKENS: Final = 4
"""A student's tokens along each side; as many 20x teacher tiles cover one 5x tile."""
REGION_PX: Final = TILE_PX * TOKENS
"""Side of a region at 20x."""
REGION_MPP: Final = TILE_MPP / TOKENS
"""µm per pixel of a region at 20x."""


def tiles_20x(region: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [896, 896, 3] → uint8 [16, 224, 224, 3], row by row: what a 20x teacher sees of one 5x tile."""
    cut = region.reshape(TOKENS, TILE_PX, TOKENS, TILE_PX, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(cut.reshape(TOKENS * TOKENS, TILE_PX, TILE_PX, 3))
