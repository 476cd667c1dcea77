"""Heads for the manifest: weights from `head.pt`, figures from `metrics.json`."""

import json
from typing import Any

from torch import nn

from app.inference.manifest import Calibration, Metric
from xmag_train.export.config import HeadConfig
from xmag_train.export.package import HeadSpec
from xmag_train.mil.calibration import ClassShare
from xmag_train.mil.checkpoint import load_head
from xmag_train.mil.gated_attention import untrained_head
from xmag_train.mil.heads import KINDS

INTENDED_USE = (
    "Research and integration testing only: this head has untrained weights; its output carries no diagnostic meaning."
)
BAG_SIZES = (1, 20_000)
"""Of an untrained head, to which no bag size is foreign. 20,000 tiles of 448 µm are 40 cm², more than a double-width
slide (50 × 75 mm) holds."""
FIGURES = ("auroc", "balanced_accuracy")


def head_spec(config: HeadConfig, student_sha256: str) -> HeadSpec:
    """One head. ValueError if it was trained on another student's embeddings or cannot become a graph."""
    head, facts = load_head(config.checkpoint, student_sha256)
    kind = KINDS[facts.head]
    if not kind.exportable:
        raise ValueError(f"{config.checkpoint}: a {facts.head} head cannot be exported; train gated_attention or mean")
    measured: dict[str, Any] = json.loads(config.metrics.read_text(encoding="utf-8"))
    if measured["config"] != facts.config:
        raise ValueError(
            f"{config.metrics} is of another run than {config.checkpoint}: its figures are not this head's"
        )
    return HeadSpec(
        task=facts.task,
        module=head,
        labels=facts.labels,
        positive_class=facts.positive_class,
        bag_size_min=facts.bag_size_min,
        bag_size_max=facts.bag_size_max,
        calibration=Calibration.model_validate(measured["calibration"]),
        class_shares=[ClassShare.model_validate(share) for share in measured["class_shares"]],
        metrics=[metric for name in FIGURES for metric in _metric(name, measured)],
        intended_use=config.intended_use,
        trained=True,
        validated=config.validated,
        attention_kind=kind.attention_kind,
    )


def measuring_head(config: HeadConfig, student_sha256: str) -> nn.Module:
    """The head of one fold that ``config.measuring`` names, in eval form.

    ValueError where none is named, or it was not trained on the embeddings of the student of that sha256.
    """
    if config.measuring is None:
        raise ValueError("no measuring head is named")
    head, facts = load_head(config.measuring)
    if facts.encoder_sha256 != student_sha256:
        raise ValueError(
            f"{config.measuring} was not trained on what the measuring student gives: name its fold's head"
        )
    return head


def placeholder(embedding_dim: int) -> HeadSpec:
    """A head for a model that has none yet, since a manifest needs one: random, and it says so."""
    return HeadSpec(
        task="untrained",
        module=untrained_head(embedding_dim, classes=2, seed=0),
        labels=["a", "b"],
        positive_class=None,
        bag_size_min=BAG_SIZES[0],
        bag_size_max=BAG_SIZES[1],
        calibration=Calibration(),
        metrics=[],
        intended_use=INTENDED_USE,
        trained=False,
        validated=False,
    )


def _metric(name: str, measured: dict[str, Any]) -> list[Metric]:
    figure = measured[name]
    if figure is None:
        return []
    return [
        Metric(
            name=name,
            value=figure["value"],
            ci_low=figure["ci_low"],
            ci_high=figure["ci_high"],
            data=f"{measured['n_slides']} slides of {measured['n_cases']} cases; an instance of a slide's bag is "
            f"{measured['instance']}. {measured['procedure']}",
            n_cases=figure["n_cases"],
        )
    ]
