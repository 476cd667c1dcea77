"""7×7 → 4×4 by area, against an oracle that counts: 4 sub-cells per cell, 7 sub-cells per token."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from xmag_train.networks.token_pool import area_weights, pooling_matrix


def by_counting(cells: np.ndarray) -> np.ndarray:
    """float [7, 7] → [4, 4]: repeat each cell 4×4 times, and take the mean of blocks of 7×7."""
    fine = np.kron(cells, np.ones((4, 4)))
    return fine.reshape(4, 7, 4, 7).mean(axis=(1, 3))


def test_every_token_is_the_mean_over_exactly_its_area() -> None:
    cells = np.random.default_rng(1).random((7, 7))
    tokens = torch.from_numpy(cells.reshape(1, 49)).float() @ pooling_matrix()
    np.testing.assert_allclose(tokens.numpy().reshape(4, 4), by_counting(cells), rtol=1e-6)


def test_rows_sum_to_one_and_each_token_covers_a_cell_and_three_quarters() -> None:
    weights = area_weights()
    np.testing.assert_allclose(weights.sum(dim=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(weights[0] * 1.75, [1, 0.75, 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(weights[1] * 1.75, [0, 0.25, 1, 0.5, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(weights.sum(dim=0) * 1.75, 1.0, rtol=1e-6)  # no cell counts more than another


def test_it_differs_from_adaptive_pooling() -> None:
    cells = torch.eye(7)[None]
    adaptive = torch.nn.functional.adaptive_avg_pool2d(cells, 4).reshape(16)
    assert (cells.reshape(1, 49) @ pooling_matrix() - adaptive).abs().max() > 0.05
