"""What end-to-end training looks at: each slide's 5x tiles, and the teacher's embeddings of the same fields."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xmag_train.data.cohort.table import SlideRow
from xmag_train.data.shards import Region
from xmag_train.mil.bags import read_bag
from xmag_train.mil.encode import tile_5x


@dataclass(frozen=True)
class TunedSlide:
    """``tiles`` uint8 [N, 224, 224, 3]; ``targets`` float32 [N, Dt], unit length, row for row; ``label``: class."""

    slide: str
    case: str
    label: int
    tiles: Tensor
    targets: Tensor


def load_slides(regions: Iterable[Region], rows: Sequence[SlideRow], teacher_bags: Path) -> dict[str, TunedSlide]:
    """Slide → its regions, all in memory (150 KB each). ValueError where the teacher's bag has other regions."""
    wanted = {row.slide: row for row in rows}
    tiles: dict[str, list[np.ndarray]] = defaultdict(list)
    coords: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for region in regions:
        if region.meta.slide in wanted:
            tiles[region.meta.slide].append(tile_5x(region.pixels()))
            coords[region.meta.slide].append((region.meta.x0, region.meta.y0))
    missing = sorted(set(wanted) - set(tiles))
    if missing:
        raise ValueError(f"the shards hold no region of {missing[:5]}")
    return {
        slide: TunedSlide(
            slide,
            row.case,
            row.label,
            torch.from_numpy(np.stack(tiles[slide])),
            _targets(teacher_bags / f"{slide}.h5", coords[slide]),
        )
        for slide, row in wanted.items()
    }


def slides_stamp(slides: Mapping[str, TunedSlide]) -> str:
    """sha256 of all that is learnt from: names, cases, labels, tiles and targets."""
    digest = hashlib.sha256()
    for name in sorted(slides):
        slide = slides[name]
        digest.update(f"{slide.slide} {slide.case} {slide.label} {len(slide.tiles)}\n".encode())
        digest.update(slide.tiles.numpy().tobytes())
        digest.update(slide.targets.numpy().tobytes())
    return digest.hexdigest()


def of_rows(slides: Mapping[str, TunedSlide], rows: Sequence[SlideRow]) -> list[TunedSlide]:
    """In the order of the rows."""
    return [slides[row.slide] for row in rows]


def _targets(path: Path, coords: Sequence[tuple[int, int]]) -> Tensor:
    bag = read_bag(path)
    row = {(int(x0), int(y0)): index for index, (x0, y0) in enumerate(bag.coords)}
    if set(row) != set(coords):
        raise ValueError(f"{path.name}: the teacher's regions are not those of the shards")
    features = torch.from_numpy(bag.features[[row[at] for at in coords]])
    return torch.nn.functional.normalize(features, dim=1)
