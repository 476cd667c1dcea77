"""Pixels for slides of the tests: compressed, and shrunk."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def jpeg(tile: NDArray[np.generic], quality: int = 90, **how) -> bytes:
    """A JPEG file of uint8 [h, w, 3]; YCbCr without subsampling unless ``how`` (Pillow's options) says otherwise."""
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG", quality=quality, **{"subsampling": 0, **how})
    return buffer.getvalue()


def shrunk(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Block means; sizes are rounded down."""
    height, width = (side // factor for side in pixels.shape[:2])
    blocks = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return (blocks.mean(axis=(1, 3)) + 0.5).astype(np.uint8)
