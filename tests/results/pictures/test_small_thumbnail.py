"""The thumbnail for people."""

import numpy as np
import pytest
from PIL import Image

from app.results.pictures.small_thumbnail import shrunk


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((2000, 4000), (800, 1600)), ((3200, 1), (1600, 1)), ((1600, 900), (1600, 900)), ((1, 1), (1, 1))],
)
def test_no_side_is_longer_than_1600_px_and_none_is_enlarged(size, wanted) -> None:
    thumbnail = np.full((*size, 3), 77, np.uint8)
    small = shrunk(thumbnail)
    assert small.shape == (*wanted, 3)
    assert (small == 77).all()
    assert not np.shares_memory(small, thumbnail)


def test_strips_make_up_the_picture_that_it_is_at_once() -> None:
    thumbnail = np.random.default_rng(0).integers(0, 256, (2111, 1733, 3), dtype=np.uint8)
    small = shrunk(thumbnail)
    whole = np.asarray(Image.fromarray(thumbnail).resize((small.shape[1], 1600), Image.Resampling.BOX))
    rows_apart = (np.abs(small.astype(int) - whole) > 1).any(axis=(1, 2))
    assert rows_apart.sum() <= 1  # one has its edge exactly between two pixels, and either is right
