"""Disturbed tiles: as far from the plain one as real levels are, drawn by seed, never the first of a pair."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from xmag_train.distill.loop.sampler import BatchSampler
from xmag_train.distill.views.disturbance import disturb


def tissue_like() -> np.ndarray:
    """uint8 [224, 224, 3]: fine and coarse structure in the colours of a stain."""
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.normal(size=(28, 28)), np.ones((8, 8)))
    fine = coarse + rng.normal(size=(224, 224))
    colour = np.array([190.0, 130.0, 180.0]) + fine[..., None] * np.array([12.0, 18.0, 10.0])
    return colour.clip(0, 255).astype(np.uint8)


def test_a_seed_decides_and_the_change_is_of_a_few_grey_levels() -> None:
    tile = tissue_like()
    changes = []
    for seed in range(40):
        changed = disturb(tile, np.random.default_rng(seed))
        assert changed.shape == tile.shape
        assert changed.dtype == np.uint8
        assert np.array_equal(changed, disturb(tile, np.random.default_rng(seed)))
        changes.append(np.abs(changed.astype(int) - tile).mean())
    print(f"mean change: median {np.median(changes):.1f}, largest {max(changes):.1f} grey levels")
    assert 2.0 < np.median(changes) < 12.0
    assert max(changes) < 25.0


def test_of_a_pair_only_the_second_is_disturbed() -> None:
    sampler = BatchSampler(
        8,
        batch_regions=8,
        views=1,
        views_per_region=2,
        readings=4,
        extra_symmetry=True,
        seed=0,
        paired_readings=True,
        disturb_probability=0.5,
    )
    draws = [draw for step in range(20) for draw in sampler.batch(step)]
    assert all(first.disturbance is None for first in draws[0::2])
    share = np.mean([second.disturbance is not None for second in draws[1::2]])
    assert 0.35 < share < 0.65
    assert all(first.symmetry == second.symmetry for first, second in zip(draws[0::2], draws[1::2], strict=True))
