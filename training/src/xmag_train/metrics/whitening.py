"""PCA whitening: directions that vary much in all tissue count no more than others when neighbours are sought.

Jégou & Chum 2012, "Negative evidences and co-occurences in image retrieval: the benefit of PCA and whitening" (ECCV).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

DIMS = 256
Whitening = Callable[[NDArray[np.floating]], NDArray[np.float64]]


def fit_whitening(embeddings: NDArray[np.floating], dims: int = DIMS) -> Whitening:
    """[N, D] → [N, dims], unit variance in each direction of ``embeddings``.

    These are of other cases than those that are looked at; fewer dimensions where N or D has fewer. ValueError for
    fewer than three rows.
    """
    if len(embeddings) < 3:
        raise ValueError("whitening needs at least three embeddings")
    pca = PCA(whiten=True, svd_solver="full").fit(np.asarray(embeddings, dtype=np.float64))
    spread = pca.singular_values_
    kept = min(dims, int((spread > spread[0] * 1e-6).sum()))  # PCA itself keeps directions without any spread
    return lambda values: pca.transform(np.asarray(values, dtype=np.float64))[:, :kept]
