"""Painted tissue: pink stroma with violet nuclei on pale glass, so that a service test needs no real slide."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.slides.make_slide import write_svs

GLASS, EOSIN, NUCLEUS = (244, 243, 244), (222, 150, 192), (104, 62, 142)


def paint_tissue(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 [height, width, 3] at about 2 µm/px: one ellipse of tissue over most of the field."""
    rng = np.random.default_rng(seed)
    block = np.empty((512, 512, 3), np.float32)
    block[:] = EOSIN
    block += rng.normal(0, 9, (512, 512, 1)).astype(np.float32)
    nuclei = np.repeat(np.repeat(rng.random((128, 128)) < 0.16, 4, 0), 4, 1)
    block[nuclei] = NUCLEUS
    block += rng.normal(0, 2, block.shape).astype(np.float32)
    texture = np.clip(block, 0, 255).astype(np.uint8)
    tissue = np.tile(texture, (height // 512 + 1, width // 512 + 1, 1))[:height, :width]
    x, y = np.arange(width) / width - 0.5, np.arange(height) / height - 0.5
    inside = (x[None, :] / 0.42) ** 2 + (y[:, None] / 0.42) ** 2 < 1
    return np.where(inside[..., None], tissue, np.array(GLASS, np.uint8))


def tissue_slide(path: Path, side_px: int = 900, mpp: float | None = 2.0, seed: int = 0) -> Path:
    """A small SVS with painted tissue. 900 px at 2 µm/px are about 16 tiles."""
    return write_svs(path, paint_tissue(side_px, side_px, seed), mpp, levels=(1, 4))


def blank_slide(path: Path) -> Path:
    """A slide with nothing on it."""
    return write_svs(path, np.full((900, 900, 3), 244, np.uint8), 2.0, levels=(1, 4))
