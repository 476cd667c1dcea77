"""A slide's embeddings in, its scores and the attention behind them out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import InferenceFailedError
from app.inference.manifest import Head
from app.inference.session import Array, Graph, TensorSpec, require_tensor

INPUT = "embeddings"
LOGITS = "logits"
ATTENTION = "attention"
TILE_SCORES = "tile_scores"
FLOAT = "tensor(float)"
ATTENTION_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class HeadOutput:
    """One head's answer for one slide.

    ``logits``: float32 [C]. ``probabilities``: float64 [C], activation and calibration temperature applied.
    ``attention``: float32 [K, N], rows sum to 1, K = 1 (shared) or C (per class). ``tile_scores``: float32 [N, C]
    instance logits. The last two are None where the head has none.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    attention: NDArray[np.float32] | None
    tile_scores: NDArray[np.float32] | None


class MilHead:
    """A multiple-instance head over the student's embeddings."""

    def __init__(self, graph: Graph, head: Head, embedding_dim: int) -> None:
        """InferenceFailedError if the graph's inputs and outputs are not those that the manifest promises."""
        self.head = head
        self.embedding_dim = embedding_dim
        self._graph = graph
        classes = len(head.labels)
        self._attention_rows = {"none": 0, "shared": 1, "per_class": classes}[head.attention_kind]
        label = f"head {head.task}"
        require_tensor(graph.inputs, INPUT, TensorSpec(FLOAT, (None, embedding_dim)), label)
        require_tensor(graph.outputs, LOGITS, TensorSpec(FLOAT, (classes,)), label)
        self._outputs = [LOGITS]
        if self._attention_rows:
            require_tensor(graph.outputs, ATTENTION, TensorSpec(FLOAT, (self._attention_rows, None)), label)
            self._outputs.append(ATTENTION)
        if TILE_SCORES in graph.outputs:
            require_tensor(graph.outputs, TILE_SCORES, TensorSpec(FLOAT, (None, classes)), label)
            self._outputs.append(TILE_SCORES)

    def run(self, embeddings: NDArray[np.float32]) -> HeadOutput:
        """float32 [N, D], N ≥ 1, all tiles of one slide in any order → ``HeadOutput`` in that order.

        InferenceFailedError for embeddings of another shape or not finite, and for outputs that break the contract.
        """
        if embeddings.dtype != np.float32 or embeddings.ndim != 2 or embeddings.shape[1] != self.embedding_dim:
            raise InferenceFailedError(
                f"Head {self.head.task} takes float32 embeddings [N, {self.embedding_dim}], "
                f"not {embeddings.dtype} {list(embeddings.shape)}."
            )
        if len(embeddings) == 0:
            raise InferenceFailedError(f"Head {self.head.task} needs at least one tile.")
        if not np.isfinite(embeddings).all():
            raise InferenceFailedError(f"Head {self.head.task} was given embeddings that are not finite.")
        found = dict(zip(self._outputs, self._graph.run(self._outputs, {INPUT: embeddings}), strict=True))
        tiles, classes = len(embeddings), len(self.head.labels)
        logits = self._checked(LOGITS, found[LOGITS], (classes,))
        attention = tile_scores = None
        if ATTENTION in found:
            attention = self._checked(ATTENTION, found[ATTENTION], (self._attention_rows, tiles))
            sums = attention.sum(axis=1, dtype=np.float64)
            if (attention < 0).any() or np.abs(sums - 1.0).max() > ATTENTION_SUM_TOLERANCE:
                raise InferenceFailedError(f"Head {self.head.task} gave attention that does not sum to 1.")
        if TILE_SCORES in found:
            tile_scores = self._checked(TILE_SCORES, found[TILE_SCORES], (tiles, classes))
        return HeadOutput(logits, activate(logits, self.head), attention, tile_scores)

    def _checked(self, name: str, found: Array, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if found.shape != shape or found.dtype != np.float32:
            raise InferenceFailedError(
                f"Head {self.head.task} gave {name} as {found.dtype} {list(found.shape)}, not float32 {list(shape)}."
            )
        if not np.isfinite(found).all():
            raise InferenceFailedError(f"Head {self.head.task} gave values of {name} that are not finite.")
        return found


def activate(logits: NDArray[np.float32], head: Head) -> NDArray[np.float64]:
    """Logits [C] → probabilities [C] by the head's activation at its calibration temperature (Guo et al. 2017)."""
    scaled = logits.astype(np.float64) / head.calibration.temperature
    if head.activation == "softmax":
        powers = np.exp(scaled - scaled.max())
        return np.asarray(powers / powers.sum())
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scaled)))  # the logistic function, without overflow
