"""The thumbnail for people."""

import numpy as np
import pytest

from app.results.small_thumbnail import shrunk


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
