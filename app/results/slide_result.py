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
