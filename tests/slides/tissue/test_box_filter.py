"""Means are Pillow's, to the bit."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from app.slides.tissue.box_filter import STRIP_ROWS, block_mean, box_mean, strips


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 7), (7, 1), (2, 2, 3), (STRIP_ROWS, 5, 3), (STRIP_ROWS + 1, 40), (3 * STRIP_ROWS + 5, 31, 3)],
)
def test_to_the_bit_as_pillow_has_it(shape):
    picture = np.random.default_rng(len(shape)).integers(0, 256, shape, dtype=np.uint8)
    wanted = np.asarray(Image.fromarray(picture).filter(ImageFilter.BoxBlur(1)))
    assert np.array_equal(box_mean(picture), wanted)


def test_a_channel_of_a_picture_need_not_lie_together():
    picture = np.random.default_rng(3).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    assert np.array_equal(box_mean(picture[..., 1]), box_mean(picture)[..., 1])


@pytest.mark.parametrize("factor", [1, 2, 3, 7])
@pytest.mark.parametrize("shape", [(1, 1, 3), (9, 100, 3), (2 * STRIP_ROWS * 3 + 1, 50, 3)])
def test_blocks_to_the_bit_as_pillow_has_them(shape, factor):
    picture = np.random.default_rng(factor).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(block_mean(picture, factor), np.asarray(Image.fromarray(picture).reduce(factor)))


@pytest.mark.parametrize("height", [1, STRIP_ROWS, STRIP_ROWS + 1, 5 * STRIP_ROWS - 1])
def test_strips_make_up_the_picture(height):
    rows = np.concatenate([np.arange(height)[part] for part in strips(height)])
    assert np.array_equal(rows, np.arange(height))
