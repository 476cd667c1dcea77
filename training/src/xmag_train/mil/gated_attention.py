"""Gated-attention MIL head (Ilse et al. 2018, arXiv 1802.04712, equation 9) on projected embeddings."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class HeadOutput(NamedTuple):
    """logits [C]; attention [1, N], sums to 1; tile_scores [N, C]: the classifier on each tile by itself.

    A head without scores of tiles has None there.
    """

    logits: Tensor
    attention: Tensor
    tile_scores: Tensor | None


class GatedAttentionHead(nn.Module):
    """a_n = softmax_n(wᵀ(tanh(V h_n) ⊙ sigmoid(U h_n))), h_n = ReLU(P x_n); logits = classifier(Σ a_n h_n).

    The classifier is linear, so that the logits are the attention-weighted mean of ``tile_scores``.
    """

    def __init__(self, embedding_dim: int, classes: int, hidden: int = 256) -> None:
        super().__init__()
        self.project = nn.Linear(embedding_dim, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.gate = nn.Linear(hidden, hidden)
        self.weigh = nn.Linear(hidden, 1, bias=False)  # a bias would cancel in the softmax
        self.classify = nn.Linear(hidden, classes)

    def forward(self, embeddings: Tensor) -> HeadOutput:
        """[N, D] of one slide → ``HeadOutput``. Independent of the tiles' order."""
        hidden = torch.relu(self.project(embeddings))
        gated = torch.tanh(self.value(hidden)) * torch.sigmoid(self.gate(hidden))
        attention = torch.softmax(self.weigh(gated).transpose(0, 1), dim=1)
        logits = self.classify(attention @ hidden).squeeze(0)
        return HeadOutput(logits, attention, self.classify(hidden))


def untrained_head(embedding_dim: int, classes: int, seed: int) -> GatedAttentionHead:
    """A head with weights drawn from ``seed`` alone: Xavier-uniform matrices, zero biases."""
    head = GatedAttentionHead(embedding_dim, classes)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in head.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.xavier_uniform_(parameter, generator=generator)
    return head.eval()
