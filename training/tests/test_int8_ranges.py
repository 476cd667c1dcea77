"""The range that int8 covers: found by squared error, and always holding 0."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime.quantization", reason="onnx is not installed: see training/README.md")

from xmag_train.export.fidelity import cosines, median_by_slide
from xmag_train.export.ranges import BINS, Range, best_range


def squared_error(values: np.ndarray, found: Range) -> float:
    step = (found.high - found.low) / 255
    zero = np.rint(-found.low / step)
    codes = np.clip(np.rint(values / step) + zero, 0, 255)
    return float(np.square((codes - zero) * step - values).mean())


def test_a_single_far_value_is_cut_off() -> None:
    values = np.append(np.random.default_rng(0).random(200_000), 4.0)
    counts, _ = np.histogram(values, bins=BINS, range=(0.0, 4.0))
    found = best_range(counts.astype(float), Range(0.0, 4.0))
    assert found.low == 0.0 and 1.0 <= found.high < 2.0
    assert squared_error(values, found) < squared_error(values, Range(0.0, 4.0)) / 2


def test_even_values_keep_their_range() -> None:
    found = best_range(np.ones(BINS), Range(-1.0, 1.0))
    assert found.low < -0.97 and found.high > 0.97


def test_the_median_is_taken_by_slide() -> None:
    near = cosines(np.array([[1.0, 0], [1, 0], [1, 0]]), np.array([[1.0, 0], [0, 1], [1, 1]]))
    np.testing.assert_allclose(near, [1.0, 0.0, np.sqrt(0.5)])
    assert median_by_slide(near, ["a", "a", "b"]) == pytest.approx({"a": 0.5, "b": np.sqrt(0.5)})
