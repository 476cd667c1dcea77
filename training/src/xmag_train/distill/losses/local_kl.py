"""Local loss in the form of XMAG's summary (arXiv 2509.23097): distributions over channels."""

import torch
from torch import Tensor

TEACHER_TEMPERATURE = 0.07
STUDENT_TEMPERATURE = 0.1


def local_kl(
    predicted: Tensor,
    targets: Tensor,
    teacher_temperature: float = TEACHER_TEMPERATURE,
    student_temperature: float = STUDENT_TEMPERATURE,
) -> Tensor:
    """Mean over regions and tokens of KL(teacher ‖ student) in nats. Both [N, 16, D].

    Softmax over channels, each side by its own temperature, of vectors scaled to length 1: raw embeddings differ in
    size from teacher to teacher, and divided by 0.07 the largest channel alone would decide.
    """
    teacher = torch.log_softmax(torch.nn.functional.normalize(targets, dim=-1) / teacher_temperature, dim=-1)
    student = torch.log_softmax(torch.nn.functional.normalize(predicted, dim=-1) / student_temperature, dim=-1)
    return (teacher.exp() * (teacher - student)).sum(dim=-1).mean()
