"""The ways in which 5x pixels arise in practice, each 896 px at 0.5 µm/px → 224 px at 2.0 µm/px.

A student that has seen all of them gives the same embedding whichever reader made the tile.
"""

import io
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmag_train.geometry import REGION_MPP, REGION_PX, TILE_PX

Reading = Literal["lanczos", "area", "dct", "pyramid"]
READINGS: tuple[Reading, ...] = get_args(Reading)
REDUCTION = REGION_PX // TILE_PX
# The 4x level of scanners that call 0.505 to 0.525 µm/px "20x".
PYRAMID_MPP = (2.02, 2.10)
PYRAMID_QUALITY = 80


def read_at_5x(region: Image.Image, reading: Reading, pyramid_mpp: float = 2.06) -> NDArray[np.uint8]:
    """uint8 [224, 224, 3] of an RGB region of 896×896 px.

    - lanczos: Pillow's, from 20x, as the service's default.
    - area: means of 4×4 px, as a scanner makes levels.
    - dct: a JPEG decoder that leaves out high frequencies (the region is coded as JPEG and decoded at a quarter).
    - pyramid: a JPEG level of ``pyramid_mpp`` µm/px, too coarse by up to 6 %, scaled to 2.0 by LANCZOS.
    """
    size = (TILE_PX, TILE_PX)
    if reading == "lanczos":
        tile = region.resize(size, Image.Resampling.LANCZOS)
    elif reading == "area":
        tile = region.reduce(REDUCTION)
    elif reading == "dct":
        tile = _decode_at_quarter(_jpeg(region, quality=90))
    else:
        level_px = round(REGION_PX * REGION_MPP / pyramid_mpp)
        scan = region.resize((level_px * REDUCTION,) * 2, Image.Resampling.LANCZOS)
        with Image.open(io.BytesIO(_jpeg(scan.reduce(REDUCTION), PYRAMID_QUALITY))) as level:
            tile = level.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return np.array(tile)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _decode_at_quarter(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (TILE_PX, TILE_PX))
        if image.size != (TILE_PX, TILE_PX):
            raise ValueError(f"the JPEG decoder gave {image.size}, not a quarter of {REGION_PX} px")
        return image.convert("RGB")
