"""Local loss: every student token points where its own teacher tile's embedding points."""

import torch
from torch import Tensor


def local_cosine(predicted: Tensor, targets: Tensor) -> Tensor:
    """Mean of 1 − cosine over regions and tokens, 0 to 2. Both [N, 16, D]."""
    return 1.0 - torch.nn.functional.cosine_similarity(predicted, targets, dim=-1).mean()
