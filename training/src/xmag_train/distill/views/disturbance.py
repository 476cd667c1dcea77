"""What scanners and readers do to 5x pixels beyond how they reduce them: softer or sharper, and compressed once more.

Pyramid levels of real scans differ from a reduction of their level 0 by 3 to 8 grey levels. Some are softened by an
interpolation, and each is coded by itself, as JPEG or JPEG 2000. Without disturbed tiles a student takes the noise of
compression for a trait of the tissue. The teacher's targets stay those of the undisturbed region.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SOFT_PX = (0.2, 0.9)  # standard deviation of the blur
SHARP_PERCENT = (30, 120)
JPEG_QUALITY = (40, 95)
JPEG2000_RATIO = (8.0, 30.0)
_FULL_COLOUR, _HALF_COLOUR = 0, 2  # Pillow's numbers of 4:4:4 and 4:2:0


def disturb(tile: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """uint8 [h, w, 3] RGB → the same shape."""
    return np.array(_recompressed(_refocused(Image.fromarray(tile), rng), rng))


def _refocused(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    kind = rng.random()
    if kind < 0.5:
        return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(*SOFT_PX))))
    if kind < 0.7:
        return image.filter(ImageFilter.UnsharpMask(radius=1, percent=int(rng.integers(*SHARP_PERCENT)), threshold=0))
    return image


def _recompressed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    kind = rng.random()
    buffer = io.BytesIO()
    if kind < 0.6:
        colour = _HALF_COLOUR if rng.random() < 0.5 else _FULL_COLOUR
        image.save(buffer, "JPEG", quality=int(rng.integers(*JPEG_QUALITY)), subsampling=colour)
    elif kind < 0.75:
        image.save(buffer, "JPEG2000", quality_mode="rates", quality_layers=[float(rng.uniform(*JPEG2000_RATIO))])
    else:
        return image
    with Image.open(buffer) as coded:
        return coded.convert("RGB")
