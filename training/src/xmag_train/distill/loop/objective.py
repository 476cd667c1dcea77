"""The losses put together."""

from torch import Tensor

from xmag_train.distill.config import LossConfig
from xmag_train.distill.loop.distiller import Prediction
from xmag_train.distill.loop.processes import gather_rows
from xmag_train.distill.losses import global_cosine, local_cosine, local_kl, reading_consistency, relational

LOCAL_LOSSES = {"cosine": local_cosine, "kl": local_kl}


def objective(prediction: Prediction, targets: Tensor, config: LossConfig, per_region: int = 1) -> dict[str, Tensor]:
    """``loss`` (the weighted sum) and its parts by name; targets float32 [N, 16, D], normalised as configured.

    ``per_region``: how many rows side by side show the same region (in the same view, if any loss asks for that).
    Neighbours and the batch's mean are those of the whole batch, also where several processes share it.
    """
    parts = {
        "global": global_cosine(prediction.globally.float(), targets),
        "local": LOCAL_LOSSES[config.local](prediction.locally.float(), targets),
    }
    loss = config.global_weight * parts["global"] + config.local_weight * parts["local"]
    embeddings = prediction.embedding.float()
    if config.relational_weight > 0.0 or config.consistency_weight > 0.0:
        embeddings = gather_rows(embeddings)
    if config.relational_weight > 0.0:
        parts["relational"] = relational(
            embeddings,
            gather_rows(targets.mean(dim=1, keepdim=True)),
            student_temperature=config.relational_student_temperature,
            teacher_temperature=config.relational_teacher_temperature,
            centre_student=config.relational_centre_student,
            per_region=per_region,
        )
        loss = loss + config.relational_weight * parts["relational"]
    if config.consistency_weight > 0.0:
        parts["consistency"] = reading_consistency(embeddings)
        loss = loss + config.consistency_weight * parts["consistency"]
    return {"loss": loss, **parts}
