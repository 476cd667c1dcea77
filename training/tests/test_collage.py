"""Collages: pixels and targets come from the same blocks."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from xmag_train.distill.views.collage import collage, draw_rectangle


def test_pixels_and_targets_come_from_the_same_blocks() -> None:
    """Each block's pixels and its target hold the block's own number, so that they must still agree afterwards."""
    numbers = torch.arange(6 * 16).reshape(6, 4, 4)
    tiles = numbers.repeat_interleave(56, 1).repeat_interleave(56, 2)[..., None].repeat(1, 1, 1, 3).to(torch.uint8)
    targets = numbers.flatten(1)[..., None].float()
    changed, moved = collage(tiles, targets, probability=1.0, per_region=2, rng=np.random.default_rng(0))
    blocks = changed.reshape(6, 4, 56, 4, 56, 3)
    assert torch.equal(blocks, blocks[:, :, :1, :, :1, :1].expand_as(blocks))
    assert torch.equal(blocks[:, :, 0, :, 0, 0].flatten(1).float(), moved[..., 0])
    source = (moved[..., 0] // 16).long()  # the row that a block came from
    foreign = source != torch.arange(6)[:, None]
    assert torch.equal(source[foreign], ((torch.arange(6) + 2) % 6)[:, None].expand(6, 16)[foreign])
    assert torch.equal(foreign[0::2], foreign[1::2])
    assert foreign.any(dim=1).all()
    assert int(foreign.sum(dim=1).max()) <= 8


def test_probability_nought_changes_nothing() -> None:
    tiles = torch.randint(0, 256, (4, 224, 224, 3), dtype=torch.uint8)
    targets = torch.randn(4, 16, 3)
    same, alike = collage(tiles, targets, probability=0.0, per_region=1, rng=np.random.default_rng(0))
    assert torch.equal(same, tiles)
    assert torch.equal(alike, targets)


def test_rectangles_are_as_often_as_asked_and_reach_every_block() -> None:
    rng = np.random.default_rng(1)
    drawn = np.stack([draw_rectangle(0.5, rng) for _ in range(2000)])
    assert drawn.any(axis=(1, 2)).mean() == pytest.approx(0.5, abs=0.04)
    assert drawn.any(axis=0).all()
