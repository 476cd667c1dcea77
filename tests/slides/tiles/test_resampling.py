"""Pillow is the oracle."""

import numpy as np
import pytest
from PIL import Image

from app.slides.tiles.resampling import _matrix, resize_tile

FILTERS = {"lanczos": Image.Resampling.LANCZOS, "box": Image.Resampling.BOX}


def picture(kind: str, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    if kind == "noise":
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    # Black on white: the filter overshoots everywhere and is clipped between the passes.
    return rng.integers(0, 2, (height, width, 3), dtype=np.uint8) * np.uint8(255)


@pytest.mark.parametrize("kind", ["noise", "black and white"])
@pytest.mark.parametrize("how", ["lanczos", "box"])
@pytest.mark.parametrize(
    ("height", "width", "box", "px"),
    [
        (427, 426, (0.14, 0.75, 425.86, 426.61), 224),  # 40x, read at its 4x level
        (852, 852, (0.0, 0.29, 851.71, 852.0), 224),  # 20x, level 0
        (224, 224, (0.0, 0.0, 224.0, 224.0), 224),  # nothing to do
        (214, 214, (0.3, 0.0, 213.3, 213.0), 224),  # enlarged by the 5 % that are allowed
        (300, 310, (40.2, 30.9, 250.7, 299.0), 100),  # a part: the foot reaches beyond it
        (20, 21, (0.5, 0.5, 20.1, 19.6), 7),  # the foot is as large as the image
    ],
)
def test_the_pixels_are_pillows(kind, how, height, width, box, px):
    image = picture(kind, height, width)
    enlarged = box[2] - box[0] < px
    oracle = FILTERS["lanczos" if enlarged else how]  # Pillow's BOX would repeat pixels
    expected = np.asarray(Image.fromarray(image).resize((px, px), oracle, box=box)).astype(int)
    got = resize_tile(image, box, px, how)
    assert got.shape == (px, px, 3) and got.dtype == np.uint8
    difference = np.abs(got - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-2


def test_the_pixels_are_those_of_whole_numbers_whatever_the_order_of_adding():
    """Sums of int64 know no rounding: where float32 comes to the same, no BLAS and no processor comes to another."""
    image, px = picture("black and white", 427, 426), 224

    def passed(values: np.ndarray, begin: float, end: float) -> np.ndarray:
        matrix, _, _ = _matrix(begin, end, len(values), px)
        units = (matrix.astype(float) * 2**15).astype(np.int64)
        assert np.array_equal(units / 2**15, matrix) and (units.sum(axis=1) == 2**15).all()
        return np.rint(np.tensordot(units, values, 1) / 2**15).clip(0, 255).astype(np.int64)

    narrow = passed(image.astype(np.int64).transpose(1, 0, 2), 0.14, 425.86).transpose(1, 0, 2)
    expected = passed(narrow, 0.75, 426.61)
    assert np.array_equal(resize_tile(image, (0.14, 0.75, 425.86, 426.61), px, "lanczos"), expected)


def test_the_image_is_left_as_it_was():
    image = picture("noise", 50, 50)
    before = image.copy()
    image.flags.writeable = False
    resize_tile(image, (0, 0, 50, 50), 20, "lanczos")
    assert np.array_equal(image, before)
