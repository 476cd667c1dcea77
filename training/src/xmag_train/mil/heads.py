"""Heads by name. All keep one contract: embeddings [N, D] of one slide → ``HeadOutput``.

``exportable``: it can become `<task>.onnx`.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from xmag_train.mil.gated_attention import GatedAttentionHead, HeadOutput

HeadName = Literal["gated_attention", "mean", "clam", "dsmil", "transmil"]


class HeadKind(NamedTuple):
    """What is known of a head before it is built."""

    attention_kind: Literal["shared", "none"]
    exportable: bool
    binary_only: bool


KINDS: dict[HeadName, HeadKind] = {
    "gated_attention": HeadKind("shared", exportable=True, binary_only=False),
    "mean": HeadKind("none", exportable=True, binary_only=False),
    "clam": HeadKind("shared", exportable=True, binary_only=True),
    "dsmil": HeadKind("shared", exportable=True, binary_only=True),
    "transmil": HeadKind("shared", exportable=False, binary_only=True),
}


class MeanHead(nn.Module):
    """Every tile counts the same: logits are a linear map of the mean of ReLU(P x_n). Attention is 1 / N."""

    def __init__(self, embedding_dim: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.project = nn.Linear(embedding_dim, hidden)
        self.classify = nn.Linear(hidden, classes)

    def forward(self, embeddings: Tensor) -> HeadOutput:
        """[N, D] of one slide → ``HeadOutput``."""
        tile_scores = self.classify(torch.relu(self.project(embeddings)))
        attention = torch.softmax(torch.zeros_like(tile_scores[:, :1]), dim=0).transpose(0, 1)
        return HeadOutput((attention @ tile_scores).squeeze(0), attention, tile_scores)


class StandardizedHead(nn.Module):
    """A head on (x - mean) / scale. The two are of the head's own training tiles, and part of its graph."""

    mean: Tensor
    scale: Tensor

    def __init__(self, head: nn.Module, embedding_dim: int) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("mean", torch.zeros(embedding_dim))
        self.register_buffer("scale", torch.ones(embedding_dim))

    def fit(self, tiles: Tensor) -> None:
        """Take mean and standard deviation of ``tiles`` [n, D]; values that never change are only centred."""
        self.mean.copy_(tiles.mean(dim=0))
        spread = tiles.std(dim=0, correction=0)
        self.scale.copy_(torch.where(spread > 1e-6, spread, torch.ones_like(spread)))

    def forward(self, embeddings: Tensor) -> HeadOutput:
        """[N, D] of one slide → ``HeadOutput``."""
        return self.head((embeddings - self.mean) / self.scale)

    def extra_loss(self, embeddings: Tensor, label: int) -> Tensor:
        """What the head adds to the cross-entropy of a bag; 0 for most."""
        own = getattr(self.head, "extra_loss", None)
        return embeddings.new_zeros(()) if own is None else own((embeddings - self.mean) / self.scale, label)


def build_head(name: HeadName, embedding_dim: int, classes: int, hidden: int, seed: int) -> StandardizedHead:
    """A head with weights drawn from ``seed`` alone. ValueError if it knows two classes and the task has more."""
    kind = KINDS[name]
    if kind.binary_only and classes != 2:
        raise ValueError(f"{name} tells two classes apart, the task has {classes}: use gated_attention or mean")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if name == "gated_attention":
            head: nn.Module = GatedAttentionHead(embedding_dim, classes, hidden)
        elif name == "mean":
            head = MeanHead(embedding_dim, classes, hidden)
        else:
            from xmag_train.mil.torchmil_heads import BUILDERS  # noqa: PLC0415 (seconds of imports)

            head = BUILDERS[name](embedding_dim, hidden)
    return StandardizedHead(head, embedding_dim)
