"""A finished analysis in memory: the document and the arrays that the files are drawn from."""

from dataclasses import dataclass

from app.results.schema import ResultDocument
from app.slides.types import BoolArray, Float32Array, Int64Array, UInt8Array


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


@dataclass(frozen=True)
class SlideResult:
    """Everything a slide's analysis yields.

    thumbnail: uint8 [h, w, 3] of the whole level-0 extent; tissue_mask: bool [h, w] in the same frame.
    coords: int64 [N, 2] level-0 (x, y), top-left; features: float32 [N, D]; rows correspond.
    """

    document: ResultDocument
    thumbnail: UInt8Array
    tissue_mask: BoolArray
    coords: Int64Array
    tissue_fractions: Float32Array
    features: Float32Array
    heads: tuple[HeadMap, ...]

    def __post_init__(self) -> None:
        """Raises ValueError where shapes do not correspond: a file would show one tile's data on another."""
        n_tiles = len(self.coords)
        if self.coords.shape != (n_tiles, 2) or n_tiles == 0:
            raise ValueError(f"coords must be [N, 2] with N of at least 1, not {self.coords.shape}")
        if self.features.ndim != 2 or len(self.features) != n_tiles:
            raise ValueError(f"features must be [{n_tiles}, D], not {self.features.shape}")
        if self.tissue_fractions.shape != (n_tiles,):
            raise ValueError(f"tissue_fractions must be [{n_tiles}], not {self.tissue_fractions.shape}")
        if self.thumbnail.shape != (*self.tissue_mask.shape, 3):
            raise ValueError(
                f"tissue_mask {self.tissue_mask.shape} and thumbnail {self.thumbnail.shape} differ in size"
            )
        for head in self.heads:
            if head.attention is not None and head.attention.shape not in ((1, n_tiles), (len(head.labels), n_tiles)):
                raise ValueError(f"attention of {head.task} must be [1 or C, {n_tiles}], not {head.attention.shape}")
            if head.tile_scores is not None and head.tile_scores.shape != (n_tiles, len(head.labels)):
                raise ValueError(f"tile_scores of {head.task} must be [{n_tiles}, C], not {head.tile_scores.shape}")
