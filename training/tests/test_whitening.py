"""Whitening by value: unit variance in every kept direction, and fitted to other rows than it is used on."""

import numpy as np
import pytest

from xmag_train.metrics.whitening import fit_whitening


def test_what_it_was_fitted_to_has_no_correlation_and_unit_variance() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) * 10 + 3
    white = fit_whitening(values, dims=4)(values)
    assert white.shape == (400, 4)
    np.testing.assert_allclose(np.cov(white.T), np.eye(4), atol=1e-9)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-9)


def test_a_direction_that_never_varies_is_left_out() -> None:
    values = np.array([[1.0, 2.0, 5.0], [3.0, 1.0, 5.0], [2.0, 4.0, 5.0], [0.0, 0.0, 5.0]])
    whitening = fit_whitening(values)
    found = whitening(np.array([[1.0, 1.0, 9.0]]))
    assert found.shape == (1, 2)
    assert np.isfinite(found).all()


def test_two_rows_are_too_few() -> None:
    with pytest.raises(ValueError, match="at least three"):
        fit_whitening(np.zeros((2, 3)))
