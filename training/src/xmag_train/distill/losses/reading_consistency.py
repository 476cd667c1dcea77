"""Consistency: two readings of the same pixels give the same embedding, the one that is shipped."""

import torch
from torch import Tensor


def reading_consistency(embeddings: Tensor) -> Tensor:
    """Mean of 1 − cosine over regions, 0 to 2. embeddings [2 N, d]: a region's two readings side by side.

    Each vector counts from the batch's mean: what all tissue shares would make any two alike.
    """
    centred = embeddings - embeddings.mean(dim=0)
    return 1.0 - torch.nn.functional.cosine_similarity(centred[0::2], centred[1::2], dim=-1).mean()
