"""Relational loss: each region's neighbours in the batch are the teacher's, in the student's own space.

After SEED (Fang et al. 2021, arXiv 2101.04731), within a batch. It is the only loss that acts on the embedding that
is shipped, for the projection heads are dropped. Not part of XMAG; its weight may be 0.
"""

import torch
from torch import Tensor

TEMPERATURE = 0.1


def relational(embeddings: Tensor, targets: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Mean over regions of KL(teacher's neighbours ‖ student's) in nats.

    embeddings [N, d]: the student's, no head between. targets [N, 16, D], of which the mean over the 16 is taken.
    Neighbours: softmax over the other N − 1 of cosine / temperature, each side centred on the batch's mean.
    """
    student = _neighbours(embeddings, temperature)
    teacher = _neighbours(targets.mean(dim=1), temperature)
    return (teacher.exp() * (teacher - student)).sum(dim=1).mean()


def _neighbours(vectors: Tensor, temperature: float) -> Tensor:
    """[N, d] → log-probabilities [N, N − 1]."""
    unit = torch.nn.functional.normalize(vectors - vectors.mean(dim=0), dim=-1)
    count = len(unit)
    others = ~torch.eye(count, dtype=torch.bool, device=unit.device)
    cosines = (unit @ unit.T)[others].reshape(count, count - 1)
    return torch.log_softmax(cosines / temperature, dim=1)
