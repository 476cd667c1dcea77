"""CLAM, DSMIL and TransMIL from torchmil (Apache-2.0), brought to the contract of heads.

torchmil's models know two classes and give one logit z; the contract's two logits are (0, z), so that their softmax
is sigmoid(z). A linear layer with ReLU before each gives all the same width.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchmil.models import CLAM_SB, DSMIL, TransMIL

from xmag_train.mil.gated_attention import HeadOutput

LANDMARKS = 32
CLUSTERED_TILES = 8


def _projection(embedding_dim: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(embedding_dim, hidden), nn.ReLU())


def _two_logits(z: Tensor) -> Tensor:
    """[..., 1] → [..., 2]."""
    return torch.cat([torch.zeros_like(z), z], dim=-1)


class ClamHead(nn.Module):
    """CLAM, single branch (Lu et al. 2021, arXiv 2004.09666): gated attention, and a clustering loss in training."""

    def __init__(self, embedding_dim: int, hidden: int) -> None:
        super().__init__()
        self.model = CLAM_SB(
            in_shape=(embedding_dim,),
            att_dim=hidden,
            gated=True,
            feat_ext=_projection(embedding_dim, hidden),
        )

    def forward(self, embeddings: Tensor) -> HeadOutput:
        """[N, D] → ``HeadOutput``; tile_scores: the bag's linear classifier on each tile."""
        z, raw, tiles = self.model(embeddings[None], return_att=True, return_emb=True)
        tile_scores = _two_logits(self.model.classifier(tiles[0]))
        return HeadOutput(_two_logits(z[:, None])[0], torch.softmax(raw, dim=1), tile_scores)

    def extra_loss(self, embeddings: Tensor, label: int) -> Tensor:
        """The clustering loss of one bag, weighted 0.3 / 0.7 against the bag's loss as in the paper.

        Of the most and the least attended tiles as many as make two groups apart: none of a bag of one tile.
        """
        if len(embeddings) < 2:
            return embeddings.new_zeros(())
        self.model.k_sample = min(CLUSTERED_TILES, len(embeddings) // 2)
        _, raw, tiles = self.model(embeddings[None], return_att=True, return_emb=True)
        loss = self.model.compute_inst_loss(raw, tiles, torch.tensor([label], device=embeddings.device))
        return (0.3 / 0.7) * loss


class DsmilHead(nn.Module):
    """DSMIL (Li et al. 2021, arXiv 2011.08939): mean of the best tile's score and of an attention around that tile."""

    def __init__(self, embedding_dim: int, hidden: int) -> None:
        super().__init__()
        self.model = DSMIL(in_shape=(embedding_dim,), att_dim=hidden, feat_ext=_projection(embedding_dim, hidden))

    def forward(self, embeddings: Tensor) -> HeadOutput:
        """[N, D] → ``HeadOutput``; tile_scores: the instance stream."""
        z, attention, scores = self.model(embeddings[None], return_att=True, return_inst_pred=True)
        bag = 0.5 * (z + scores.max(dim=1).values)
        return HeadOutput(_two_logits(bag[:, None])[0], attention[:, :, 0], _two_logits(scores[0][:, None]))

    def extra_loss(self, embeddings: Tensor, label: int) -> Tensor:
        """Cross-entropy of the best tile by itself."""
        scores = self.model(embeddings[None], return_inst_pred=True)[1]
        target = torch.tensor([float(label)], device=embeddings.device)
        return nn.functional.binary_cross_entropy_with_logits(scores.max(dim=1).values, target)


class TransMilHead(nn.Module):
    """TransMIL (Shao et al. 2021, arXiv 2106.00908). For comparison only; it does not fit a served head.

    It lays tiles in a square in the order they come, so that the answer depends on that order. Its attention is
    Nyström's approximation, which can be negative: here it is cut at 0 and scaled to sum to 1. Its square's side is a
    number of the bag, which one ONNX graph cannot follow. It has no score of a tile.
    """

    def __init__(self, embedding_dim: int, hidden: int) -> None:
        super().__init__()
        self.model = TransMIL(
            in_shape=(embedding_dim,),
            att_dim=hidden,
            n_landmarks=LANDMARKS,
            feat_ext=_projection(embedding_dim, hidden),
        )

    def forward(self, embeddings: Tensor) -> HeadOutput:
        """[N, D] → ``HeadOutput`` without tile_scores."""
        z, raw = self.model(embeddings[None], return_att=True)
        kept = raw.clamp(min=0) + 1e-8
        return HeadOutput(_two_logits(z[:, None])[0], kept / kept.sum(dim=1, keepdim=True), None)


BUILDERS: dict[str, Callable[[int, int], nn.Module]] = {"clam": ClamHead, "dsmil": DsmilHead, "transmil": TransMilHead}
