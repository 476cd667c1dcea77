"""Global loss: the student's embedding points where the mean of the 16 teacher embeddings points."""

import torch
from torch import Tensor


def global_cosine(predicted: Tensor, targets: Tensor) -> Tensor:
    """Mean of 1 − cosine, 0 to 2. predicted [N, D]; targets [N, 16, D], of which the mean over the 16 is taken."""
    return 1.0 - torch.nn.functional.cosine_similarity(predicted, targets.mean(dim=1), dim=-1).mean()
