"""A trained head on disk: `head.pt`, and a fold's `folds/head-<fold>.pt`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from xmag_train.config import Config
from xmag_train.files import save_torch
from xmag_train.mil.heads import HeadName, StandardizedHead, build_head
from xmag_train.mil.keep import Effort
from xmag_train.mil.task import TaskConfig


class HeadFacts(Config):
    """What a head is and what it learnt from.

    ``encoder_sha256``: of the `student.pt` whose embeddings it judges; empty where the bags do not say.

    ``bag_size_min`` and ``bag_size_max``: tiles in the bags it learnt from. ``fingerprint``: all that decided it.
    ``effort``: of teaching it. A fold's head has neither: they are in the fold's result.
    """

    head: HeadName
    task: str
    labels: list[str]
    positive_class: str | None
    embedding_dim: int
    hidden: int
    encoder: str
    encoder_sha256: str
    instance: str
    bag_size_min: int
    bag_size_max: int
    epochs: int
    fingerprint: str = ""
    effort: Effort | None = None
    config: dict[str, Any]


def facts_of(
    config: TaskConfig,
    head: StandardizedHead,
    encoder: tuple[str, str],
    *,
    hidden: int,
    bag_sizes: Sequence[int],
    epochs: int,
    fingerprint: str = "",
    effort: Effort | None = None,
) -> HeadFacts:
    """Of a head that ``config`` asked for. ``encoder``: (name, sha256); ``bag_sizes``: of what it learnt from."""
    return HeadFacts(
        head=config.head,
        task=config.task,
        labels=config.labels,
        positive_class=config.positive_class,
        embedding_dim=len(head.mean),
        hidden=hidden,
        encoder=encoder[0],
        encoder_sha256=encoder[1],
        instance=config.instance,
        bag_size_min=min(bag_sizes),
        bag_size_max=max(bag_sizes),
        epochs=epochs,
        fingerprint=fingerprint,
        effort=effort,
        config=config.model_dump(mode="json"),
    )


def save_head(path: Path, head: StandardizedHead, facts: HeadFacts) -> None:
    """Write ``path``, whole or not at all."""
    save_torch(path, {"head": facts.head, "facts": facts.model_dump(mode="json"), "state_dict": head.state_dict()})


def load_head(path: Path, encoder_sha256: str | None = None) -> tuple[StandardizedHead, HeadFacts]:
    """The head, in eval form. ValueError if it belongs to another encoder than ``encoder_sha256``."""
    content: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if not {"facts", "state_dict"} <= set(content):
        raise ValueError(f"{path.name} is no checkpoint of a head")
    facts = HeadFacts.model_validate(content["facts"])
    if encoder_sha256 is not None and facts.encoder_sha256 != encoder_sha256:
        raise ValueError(
            f"{path.name} was trained on another encoder ({facts.encoder}, sha256 {facts.encoder_sha256[:12]}…), not "
            f"on {encoder_sha256[:12]}…: train it on this one's bags"
        )
    head = build_head(facts.head, facts.embedding_dim, len(facts.labels), facts.hidden, seed=0)
    head.load_state_dict(content["state_dict"], strict=True)
    return head.eval(), facts
