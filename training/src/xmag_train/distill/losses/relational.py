"""Relational loss: each region's neighbours in the batch are the teacher's, in the student's own space.

After SEED (Fang et al. 2021, arXiv 2101.04731), within a batch. It is the only loss that acts on the embedding that
is shipped, for the projection heads are dropped. Not part of XMAG; its weight may be 0.
"""

import torch
from torch import Tensor

TEMPERATURE = 0.1


def relational(
    embeddings: Tensor,
    targets: Tensor,
    *,
    student_temperature: float = TEMPERATURE,
    teacher_temperature: float = TEMPERATURE,
    centre_student: bool = True,
    per_region: int = 1,
) -> Tensor:
    """Mean over regions of KL(teacher's neighbours ‖ student's) in nats.

    embeddings [N, d]: the student's, no head between. targets [N, tiles, D], of which the mean over the tiles is taken.
    Rows: ``per_region`` pictures of each region side by side; a region is not its own neighbour.
    Neighbours: softmax over the others of cosine / temperature, each side centred on the batch's mean; the student
    only with ``centre_student``, for retrieval is by plain cosines.
    """
    student = _neighbours(_centred(embeddings) if centre_student else embeddings, student_temperature, per_region)
    teacher = _neighbours(_centred(targets.mean(dim=1)), teacher_temperature, per_region)
    return (teacher.exp() * (teacher - student)).sum(dim=1).mean()


def _centred(vectors: Tensor) -> Tensor:
    return vectors - vectors.mean(dim=0)


def _neighbours(vectors: Tensor, temperature: float, per_region: int) -> Tensor:
    """[N, d] → log-probabilities [N, N − per_region]."""
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    region = torch.arange(len(unit), device=unit.device) // per_region
    others = region[:, None] != region[None, :]
    cosines = (unit @ unit.T)[others].reshape(len(unit), -1)
    return torch.log_softmax(cosines / temperature, dim=1)
