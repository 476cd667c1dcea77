"""The range that int8 covers: found by squared error, and always holding 0."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime.quantization", reason="onnx is not installed: see training/README.md")

from xmag_train.export.graph.ranges import BINS, Range, best_range
from xmag_train.export.measure.precision_fidelity import cosines, median_by_slide


def test_a_single_far_value_is_cut_off() -> None:
    """Millions of values in 0 to 1 gain more from steps of 1/255 than one value at 4 loses."""
    counts = np.zeros(BINS)
    counts[: BINS // 4] = 10_000
    counts[-1] = 1
    found = best_range(counts, Range(0.0, 4.0))
    assert found.low == 0.0 and 1.0 <= found.high < 1.3


def test_many_far_values_are_not() -> None:
    counts = np.zeros(BINS)
    counts[: BINS // 4] = 10_000
    counts[-1] = 10_000
    assert best_range(counts, Range(0.0, 4.0)).high > 3.9


def test_even_values_keep_their_range() -> None:
    found = best_range(np.ones(BINS), Range(-1.0, 1.0))
    assert found.low < -0.97 and found.high > 0.97


def test_the_median_is_taken_by_slide() -> None:
    near = cosines(np.array([[1.0, 0], [1, 0], [1, 0]]), np.array([[1.0, 0], [0, 1], [1, 1]]))
    np.testing.assert_allclose(near, [1.0, 0.0, np.sqrt(0.5)])
    assert median_by_slide(near, ["a", "a", "b"]) == pytest.approx({"a": 0.5, "b": np.sqrt(0.5)})
