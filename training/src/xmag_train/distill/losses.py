"""The losses of distillation: pure functions of a batch.

Global and local cosine, and local KL in the form of XMAG's summary (arXiv 2509.23097). Consistency between two readings
of the same pixels. Neighbours in the student's own space, after SEED (Fang et al. 2021, arXiv 2101.04731).
"""

import torch
from torch import Tensor


def global_cosine(predicted: Tensor, targets: Tensor) -> Tensor:
    """Mean of 1 − cosine, 0 to 2. predicted [N, D]; targets [N, 16, D], of which the mean over the 16 is taken."""
    return 1.0 - torch.nn.functional.cosine_similarity(predicted, targets.mean(dim=1), dim=-1).mean()


def local_cosine(predicted: Tensor, targets: Tensor) -> Tensor:
    """Mean of 1 − cosine over regions and tokens, 0 to 2. Both [N, 16, D]."""
    return 1.0 - torch.nn.functional.cosine_similarity(predicted, targets, dim=-1).mean()


TEACHER_TEMPERATURE = 0.07
STUDENT_TEMPERATURE = 0.1


def local_kl(
    predicted: Tensor,
    targets: Tensor,
    teacher_temperature: float = TEACHER_TEMPERATURE,
    student_temperature: float = STUDENT_TEMPERATURE,
) -> Tensor:
    """Mean over regions and tokens of KL(teacher ‖ student) in nats. Both [N, 16, D].

    Softmax over channels, each side by its own temperature, of vectors scaled to length 1. Raw embeddings differ in
    size from teacher to teacher. Divided by 0.07, the largest channel alone would decide.
    """
    teacher = torch.log_softmax(torch.nn.functional.normalize(targets, dim=-1) / teacher_temperature, dim=-1)
    student = torch.log_softmax(torch.nn.functional.normalize(predicted, dim=-1) / student_temperature, dim=-1)
    return (teacher.exp() * (teacher - student)).sum(dim=-1).mean()


def reading_consistency(embeddings: Tensor) -> Tensor:
    """Mean of 1 − cosine over regions, 0 to 2. embeddings [2 N, d]: a region's two readings side by side.

    Each vector counts from the batch's mean: what all tissue shares would make any two alike.
    """
    centred = embeddings - embeddings.mean(dim=0)
    return 1.0 - torch.nn.functional.cosine_similarity(centred[0::2], centred[1::2], dim=-1).mean()


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
    Neighbours: softmax over the others of cosine / temperature, each side centred on the batch's mean. The student is
    centred only with ``centre_student``, because retrieval uses plain cosines.
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
