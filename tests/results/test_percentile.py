import numpy as np
import pytest

from app.results.percentile import percentiles, value_at


def weights(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_percentile_is_the_share_of_tiles_with_as_little_or_less() -> None:
    assert percentiles(weights(0.4, 0.1, 0.3, 0.2)).tolist() == [100, 25, 75, 50]


def test_ties_share_the_highest_of_their_ranks() -> None:
    assert percentiles(weights(0.2, 0.2, 0.2, 0.4)).tolist() == [75, 75, 75, 100]


def test_equal_attention_is_100_everywhere_and_so_is_a_single_tile() -> None:
    assert percentiles(weights(0.5, 0.5)).tolist() == [100, 100]
    assert percentiles(weights(1.0)).tolist() == [100]


@pytest.mark.parametrize(
    ("percentile", "raw"), [(0, 0.125), (25, 0.125), (26, 0.25), (50, 0.25), (75, 0.5), (100, 2.0)]
)
def test_raw_value_at_a_percentile_is_a_tiles_own(percentile: float, raw: float) -> None:
    assert value_at(weights(2.0, 0.25, 0.125, 0.5), percentile) == raw


def test_percentile_and_raw_value_are_inverse() -> None:
    attention = np.random.default_rng(3).random(997).astype(np.float32)
    for value, percentile in zip(attention[:50], percentiles(attention)[:50], strict=True):
        assert value_at(attention, float(percentile) - 1e-3) == value


def test_no_tiles_have_no_percentiles() -> None:
    assert percentiles(weights()).tolist() == []
