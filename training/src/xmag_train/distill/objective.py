"""The losses put together."""

from torch import Tensor

from xmag_train.distill.config import LossConfig
from xmag_train.distill.distiller import Prediction
from xmag_train.distill.losses.global_cosine import global_cosine
from xmag_train.distill.losses.local_cosine import local_cosine
from xmag_train.distill.losses.local_kl import local_kl
from xmag_train.distill.losses.relational import relational

LOCAL_LOSSES = {"cosine": local_cosine, "kl": local_kl}


def objective(prediction: Prediction, targets: Tensor, config: LossConfig) -> dict[str, Tensor]:
    """``loss`` (the weighted sum) and its parts by name; targets float32 [N, 16, D], normalised as configured."""
    parts = {
        "global": global_cosine(prediction.globally.float(), targets),
        "local": LOCAL_LOSSES[config.local](prediction.locally.float(), targets),
    }
    loss = config.global_weight * parts["global"] + config.local_weight * parts["local"]
    if config.relational_weight > 0.0:
        parts["relational"] = relational(prediction.embedding.float(), targets)
        loss = loss + config.relational_weight * parts["relational"]
    return {"loss": loss, **parts}
