"""PCA whitening: directions that vary much in all tissue count no more than others when neighbours are sought.

Jégou & Chum 2012, "Negative evidences and co-occurences in image retrieval: the benefit of PCA and whitening" (ECCV).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DIMS = 256


class Whitening(NamedTuple):
    """``mean`` float64 [D]; ``axes`` float64 [D, dims], each of unit variance on what it was fitted to."""

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]

    def __call__(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """[N, D] → [N, dims]."""
        return (np.asarray(embeddings, dtype=np.float64) - self.mean) @ self.axes


def fit_whitening(embeddings: NDArray[np.floating], dims: int = DIMS) -> Whitening:
    """From embeddings [N, D] of other cases than those that are looked at; fewer dimensions where N or D has fewer.

    ValueError for fewer than three rows.
    """
    values = np.asarray(embeddings, dtype=np.float64)
    if len(values) < 3:
        raise ValueError("whitening needs at least three embeddings")
    mean = values.mean(axis=0)
    _, spread, axes = np.linalg.svd(values - mean, full_matrices=False)
    kept = min(dims, int((spread > spread[0] * 1e-6).sum()))
    return Whitening(mean, axes[:kept].T * (np.sqrt(len(values) - 1) / spread[:kept]))
