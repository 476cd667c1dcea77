"""How near the graphs that onnxruntime runs are to the networks in torch, on tiles of held-out cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from xmag_train.export.measure.precision_fidelity import FloatArray, cosines
from xmag_train.export.measure.tiles import batches
from xmag_train.export.package import PARITY_MAX
from xmag_train.progress import track


@dataclass(frozen=True)
class Parity:
    """``largest``: absolute difference of any output's value to torch's (float32 both).

    ``cosine_min``: lowest cosine of a tile's embedding; None for a head. ``inputs``: tiles, or a head's bags.
    """

    largest: float
    cosine_min: float | None
    inputs: int


@torch.inference_mode()
def student_parity(session: onnxruntime.InferenceSession, student: nn.Module, tiles: NDArray[np.uint8]) -> Parity:
    """Of embeddings and tokens. ValueError where they differ by more than an export may."""
    largest, near = 0.0, []
    for batch in track(list(batches(tiles)), "graph against torch, batches"):
        found = session.run(["embedding", "tokens"], {"tiles": batch})
        wanted = [part.numpy() for part in student(torch.from_numpy(batch))]
        largest = max(largest, *(_apart(*both) for both in zip(found, wanted, strict=True)))
        near.append(cosines(found[0].astype(np.float64), wanted[0].astype(np.float64)))
    return Parity(_allowed(largest, "the student"), float(np.concatenate(near).min()), len(tiles))


@torch.inference_mode()
def head_parity(session: onnxruntime.InferenceSession, head: nn.Module, bags: Sequence[FloatArray]) -> Parity:
    """Of logits, attention and tile scores of each bag [n, D]. ValueError as ``student_parity``."""
    largest = 0.0
    for bag in bags:
        rows = bag.astype(np.float32)
        found = session.run(["logits", "attention", "tile_scores"], {"embeddings": rows})
        wanted = [part.numpy() for part in head(torch.from_numpy(rows))]
        largest = max(largest, *(_apart(*both) for both in zip(found, wanted, strict=True)))
    return Parity(_allowed(largest, "a head"), None, len(bags))


def _apart(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(np.abs(first - second).max())


def _allowed(largest: float, what: str) -> float:
    if not largest <= PARITY_MAX:
        raise ValueError(
            f"{what}'s graph differs from torch by {largest:.2g} on held-out tiles; allowed: {PARITY_MAX:.2g}"
        )
    return largest
