"""A finished analysis in memory: the document and the arrays that the files are drawn from."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from app.results.schema import ResultDocument
from app.slides.types import BoolArray, Float32Array, Int64Array, UInt8Array

TISSUE_MIN_SHOWN: Final = 0.3
"""A tile with less tissue (0 to 1) is mostly glass: no colour, no rank, never a top tile."""


@dataclass(frozen=True)
class HeadMap:
    """One head's view of the tiles.

    attention: float32 [K, N], each row sums to 1; K = 1 (shared) or C (per class); None if the head has none.
    tile_scores: float32 [N, C] instance logits, where the head gives them.
    """

    task: str
    labels: tuple[str, ...]
    attention: Float32Array | None
    tile_scores: Float32Array | None


@dataclass(frozen=True, kw_only=True)
class TileMaps:
    """The document and what is known of each tile: all that maps and tables need, without embeddings and pixels.

    coords: int64 [N, 2] level-0 (x, y), top-left; tissue_fractions: float32 [N]; sharpness: float32 [N]
    (``app.slides.tissue.sharpness``), NaN where not judged for focus.
    """

    document: ResultDocument
    coords: Int64Array
    tissue_fractions: Float32Array
    heads: tuple[HeadMap, ...]
    sharpness: Float32Array

    @property
    def has_rank(self) -> BoolArray:
        """Tiles with enough tissue for a colour and a rank: bool [N]."""
        return has_rank(self.tissue_fractions)

    def __post_init__(self) -> None:
        """Raises ValueError where shapes do not correspond: a file would show one tile's data on another."""
        n_tiles = len(self.coords)
        if self.coords.shape != (n_tiles, 2) or n_tiles == 0:
            raise ValueError(f"coords must be [N, 2] with N of at least 1, not {self.coords.shape}")
        if self.tissue_fractions.shape != (n_tiles,):
            raise ValueError(f"tissue_fractions must be [{n_tiles}], not {self.tissue_fractions.shape}")
        if self.sharpness.shape != (n_tiles,):
            raise ValueError(f"sharpness must be [{n_tiles}], not {self.sharpness.shape}")
        for head in self.heads:
            if head.attention is not None and head.attention.shape not in ((1, n_tiles), (len(head.labels), n_tiles)):
                raise ValueError(f"attention of {head.task} must be [1 or C, {n_tiles}], not {head.attention.shape}")
            if head.tile_scores is not None and head.tile_scores.shape != (n_tiles, len(head.labels)):
                raise ValueError(f"tile_scores of {head.task} must be [{n_tiles}, C], not {head.tile_scores.shape}")


def has_rank(tissue_fractions: Float32Array) -> BoolArray:
    """Which tiles (float32 [N]) have enough tissue for a colour and a rank: bool [N]."""
    found: BoolArray = tissue_fractions >= np.float32(TISSUE_MIN_SHOWN)
    return found


@dataclass(frozen=True, kw_only=True)
class SlideResult(TileMaps):
    """Everything a slide's analysis yields.

    - thumbnail: uint8 [h, w, 3] of the entire level-0 extent, no larger than people want it (``shrunk``).
    - tissue_mask: bool [h, w] and artefacts: uint8 [h, w] (``PEN``, ``DARK`` or 0) of the same extent, as surveyed.
    - features: float32 [N, D], rows as in coords.
    - top_pictures: uint8 [T, 224, 224, 3], the document's top tiles as the model saw them.
    """

    thumbnail: UInt8Array
    tissue_mask: BoolArray
    artefacts: UInt8Array
    features: Float32Array
    top_pictures: UInt8Array

    def __post_init__(self) -> None:
        """Raises ValueError where shapes do not correspond."""
        super().__post_init__()
        n_tiles, n_tops = len(self.coords), len(self.document.top_tiles)
        if self.features.ndim != 2 or len(self.features) != n_tiles:
            raise ValueError(f"features must be [{n_tiles}, D], not {self.features.shape}")
        if self.artefacts.shape != self.tissue_mask.shape:
            raise ValueError(
                f"tissue_mask {self.tissue_mask.shape} and artefacts {self.artefacts.shape} differ in size"
            )
        if len(self.top_pictures) != n_tops:
            raise ValueError(f"top_pictures must be [{n_tops}, h, w, 3], not {self.top_pictures.shape}")
