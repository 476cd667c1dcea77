"""Tiles in, embeddings out."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from app.errors import InferenceFailedError
from app.inference.manifest import Manifest
from app.inference.session import Array, DeviceMemoryError, Graph, TensorSpec, require_tensor

log = structlog.stdlib.get_logger("xmag.inference")
ORDER_TILES_MOST = 64
TOKENS = 4
INPUT = "tiles"
EMBEDDING = "embedding"
TOKEN_GRID = "tokens"  # noqa: S105 - the name of an output, not a secret


@dataclass(frozen=True)
class Batching:
    """How a device wants its tiles.

    ``sizes`` of a batch, ascending; ``is_padded``: a batch has one of these sizes, else any up to the last; ``lanes``:
    how many batches are best computed at a time; ``niceness``: the least of the threads that do so (where they compute
    on the cores that also feed them, those who feed them go first); ``limit_s``: a batch that takes longer hangs. None
    for a CPU, which computes whatever it is given.
    """

    sizes: tuple[int, ...]
    is_padded: bool
    lanes: int
    niceness: int
    limit_s: float | None = None


class Embedder:
    """The student; may be called from several threads.

    ``batch_tiles``: the largest batch. ``order_tiles``: how many tiles of a slide to order at a time. The device joins
    orders up to a batch, so that no slide waits, or keeps memory, for the tiles of a large batch.
    """

    def __init__(self, graph: Graph, manifest: Manifest, batching: Batching) -> None:
        """InferenceFailedError if the graph's inputs and outputs are not those of the contract."""
        self.batch_sizes = batching.sizes
        self.batch_tiles = batching.sizes[-1]
        self.order_tiles = min(self.batch_tiles, ORDER_TILES_MOST)
        self.lanes, self.niceness, self.limit_s = batching.lanes, batching.niceness, batching.limit_s
        self._is_padded = batching.is_padded
        self.tile_px = manifest.tile_px
        self.embedding_dim = manifest.embedding_dim
        self._graph = graph
        self._splitting, self._splits, self._is_split_logged = threading.Lock(), 0, False
        side, dim = self.tile_px, self.embedding_dim
        require_tensor(graph.inputs, INPUT, TensorSpec("tensor(uint8)", (None, side, side, 3)), "student")
        require_tensor(graph.outputs, EMBEDDING, TensorSpec("tensor(float)", (None, dim)), "student")
        require_tensor(graph.outputs, TOKEN_GRID, TensorSpec("tensor(float)", (None, TOKENS, TOKENS, dim)), "student")

    def embed(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [n, tile_px, tile_px, 3] RGB → float32 [n, D]; any n, run in batches of ``batch_tiles``.

        A batch that the device has no memory for is run in smaller ones. InferenceFailedError if the smallest fails
        too, the tiles are of another shape or type, or an embedding is not finite.
        """
        return self._run(tiles, [EMBEDDING])[0]

    def embed_with_tokens(self, tiles: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As ``embed``, and float32 [n, 4, 4, D] tokens (row, column)."""
        embeddings, tokens = self._run(tiles, [EMBEDDING, TOKEN_GRID])
        return embeddings, tokens

    def room(self, tiles: int) -> int:
        """How many tiles the batches that so many are run in have room for: says how full they are."""
        full, rest = divmod(tiles, self.batch_tiles)
        return full * self.batch_tiles + (self._size(rest) if rest else 0)

    def splits(self) -> int:
        """How many batches were split for want of memory since this was last asked."""
        with self._splitting:
            splits, self._splits = self._splits, 0
            return splits

    def _size(self, tiles: int) -> int:
        return next(size for size in self.batch_sizes if size >= tiles)

    def _run(self, tiles: NDArray[np.uint8], outputs: list[str]) -> list[NDArray[np.float32]]:
        side = self.tile_px
        if tiles.dtype != np.uint8 or tiles.ndim != 4 or tiles.shape[1:] != (side, side, 3):
            raise InferenceFailedError(
                f"The student takes uint8 tiles [n, {side}, {side}, 3], not {tiles.dtype} {list(tiles.shape)}."
            )
        shapes = {EMBEDDING: (self.embedding_dim,), TOKEN_GRID: (TOKENS, TOKENS, self.embedding_dim)}
        results = [np.empty((len(tiles), *shapes[name]), dtype=np.float32) for name in outputs]
        self._fill(results, tiles, outputs, self.batch_tiles)
        return results

    def _fill(
        self, results: Sequence[NDArray[np.float32]], tiles: NDArray[np.uint8], outputs: list[str], step: int
    ) -> None:
        """Compute ``tiles`` in batches of ``step``, into ``results``."""
        for start in range(0, len(tiles), step):
            batch = tiles[start : start + step]
            parts = [result[start : start + step] for result in results]
            try:
                answers = self._graph.run(outputs, {INPUT: self._padded(batch)})
            except DeviceMemoryError as error:
                smaller = self._smaller(len(batch))
                if not smaller:
                    raise
                self._note_split(len(batch), smaller, error)
                self._fill(parts, batch, outputs, smaller)
                continue
            for name, part, found in zip(outputs, parts, answers, strict=True):
                _check(name, found, (self._rows(len(batch)), *part.shape[1:]))
                part[:] = found[: len(batch)]

    def _rows(self, tiles: int) -> int:
        return self._size(tiles) if self._is_padded else tiles

    def _padded(self, batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        missing = self._rows(len(batch)) - len(batch)
        return np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), np.uint8)]) if missing else batch

    def _smaller(self, tiles: int) -> int:
        """The batch to try where one of ``tiles`` needs too much memory; 0 where there is no smaller one."""
        if not self._is_padded:
            return tiles // 2
        return max((size for size in self.batch_sizes if size < self._size(tiles)), default=0)

    def _note_split(self, tiles: int, smaller: int, error: DeviceMemoryError) -> None:
        with self._splitting:
            self._splits += 1
            is_logged, self._is_split_logged = self._is_split_logged, True
        if not is_logged:
            log.warning("batch.split", tiles=tiles, retry_tiles=smaller, reason=str(error.__cause__ or error))


def _check(name: str, found: Array, shape: tuple[int, ...]) -> None:
    if found.shape != shape or found.dtype != np.float32:
        raise InferenceFailedError(
            f"The student gave {name} as {found.dtype} {list(found.shape)}, not float32 {list(shape)}."
        )
    if not np.isfinite(found).all():
        raise InferenceFailedError(f"The student gave values of {name} that are not finite.")
