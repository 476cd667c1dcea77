"""Painted thumbnails: glass with a little scanner noise, and shapes of known colour and size on it."""

import numpy as np

from app.slides.types import BoolArray, UInt8Array

EOSIN = (225, 150, 190)
NUCLEI = (110, 80, 160)
PALE = (240, 228, 238)  # density spread 0.03: mucin, pale stroma
INKS = {
    "blue": (30, 60, 170),
    "light blue": (90, 150, 220),
    "green": (20, 120, 60),
    "light green": (90, 190, 110),
    "black": (25, 25, 28),
    "red": (200, 25, 40),
}


def glass(height: int, width: int, colour: tuple[int, int, int] = (243, 243, 243), seed: int = 0) -> UInt8Array:
    """uint8 [height, width, 3], noise of one grey level."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 1))
    return np.clip(np.rint(np.array(colour) + noise), 0, 253).astype(np.uint8)


def disc(picture: UInt8Array, x: float, y: float, radius: float) -> BoolArray:
    """The pixels of a disc, bool [h, w]; x, y and radius in pixels."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def paint(picture: UInt8Array, where: BoolArray, colour: tuple[int, int, int], seed: int = 1) -> None:
    """Fill with the colour and noise of three grey levels, in place."""
    noise = np.random.default_rng(seed).normal(0, 3, (int(where.sum()), 1))
    picture[where] = np.clip(np.rint(np.array(colour) + noise), 0, 253).astype(np.uint8)
