"""Tiles for calibration and for measuring: from different cases."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmag_train.data.cohort.table import fold_of_cases
from xmag_train.data.shards import Region, read_shards, regions_sha256, shards_in
from xmag_train.distill.views.readings import Reading, read_at_5x

BATCH_TILES = 16


@dataclass(frozen=True)
class TileSet:
    """``regions`` and their slides, in one order."""

    regions: tuple[Region, ...]

    @property
    def slides(self) -> list[str]:
        """Slide of each region."""
        return [region.meta.slide for region in self.regions]

    @property
    def cases(self) -> list[str]:
        """Every case once, by name."""
        return sorted({region.meta.case for region in self.regions})

    def which(self) -> dict[str, Any]:
        """For the record: how many, of what, the key of each, and a digest of keys and pixels."""
        return {
            "tiles": len(self.regions),
            "slides": len(set(self.slides)),
            "cases": self.cases,
            "keys": [region.key for region in self.regions],
            "sha256": regions_sha256(self.regions),
        }

    def tiles(self, reading: Reading = "lanczos") -> NDArray[np.uint8]:
        """uint8 [n, 224, 224, 3] at 2.0 µm/px, read in that way."""
        return np.stack([read_at_5x(image_of(region), reading) for region in self.regions])


@dataclass(frozen=True)
class Split:
    """All regions by whether their case is in the fold that is held out."""

    inside: tuple[Region, ...]
    outside: tuple[Region, ...]


def split_regions(folder: Path, folds: Path, held_out: int) -> Split:
    """ValueError if one part is empty, or a case has no fold."""
    every = list(read_shards(shards_in(folder)))
    fold_of = fold_of_cases(folds, {region.meta.case for region in every})
    inside = tuple(region for region in every if fold_of[region.meta.case] == held_out)
    outside = tuple(region for region in every if fold_of[region.meta.case] != held_out)
    if not inside or not outside:
        raise ValueError(f"fold {held_out} holds {len(inside)} of {len(every)} regions: one part is empty")
    return Split(inside, outside)


def spread(regions: Sequence[Region], count: int) -> tuple[Region, ...]:
    """At most ``count``: the first of each slide, then the second of each, and so on."""
    seen: dict[str, int] = {}
    turns = []
    for region in sorted(regions, key=lambda region: region.key):
        turn = seen.get(region.meta.slide, 0)
        seen[region.meta.slide] = turn + 1
        turns.append((turn, region.key, region))
    return tuple(region for _, _, region in sorted(turns, key=lambda entry: entry[:2])[:count])


def image_of(region: Region) -> Image.Image:
    """RGB, 896×896 px."""
    with Image.open(io.BytesIO(region.jpeg)) as image:
        return image.convert("RGB")


def batches(tiles: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """In turns of 16."""
    for start in range(0, len(tiles), BATCH_TILES):
        yield tiles[start : start + BATCH_TILES]
