"""How near one student is to another: cosines of embeddings, changes of slides' scores, and speed."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from app.inference.manifest import Fidelity
from xmag_train.export.measure.tiles import TileSet, batches
from xmag_train.progress import track

FloatArray = NDArray[np.float64]
TIMED_TILES = 16
TIMED_TURNS = 7
BATCH_TILES = 4
"""What a core of the service computes at a time: app.inference.model."""


class Speed(NamedTuple):
    """Tiles per second of two graphs on one core, by the same tiles in turns, medians."""

    fp32: float
    int8: float

    @property
    def ratio(self) -> float:
        """How many times faster int8 is."""
        return self.int8 / self.fp32


class Judge(NamedTuple):
    """A head, and what the service divides its logits by."""

    head: nn.Module
    temperature: float


@dataclass(frozen=True)
class Reference:
    """The student in fp32, and its embeddings [n, D] of held-out ``tiles``: what reduced precisions are judged by.

    ``slides``: the slide of each tile. ``heads``: by whose scores of the slides' bags it is judged too.
    """

    graph: bytes
    tiles: NDArray[np.uint8]
    slides: Sequence[str]
    embeddings: FloatArray
    heads: Mapping[str, Judge]
    threads: int


def open_graph(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    """``graph`` on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def embed(session: onnxruntime.InferenceSession, tiles: NDArray[np.uint8], what: str = "embedding") -> FloatArray:
    """[n, D]; progress is told of ``what``."""
    found = [
        session.run(["embedding"], {"tiles": batch})[0] for batch in track(list(batches(tiles)), f"{what}, batches")
    ]
    return np.concatenate(found).astype(np.float64)


def cosines(first: FloatArray, second: FloatArray) -> FloatArray:
    """Of each row to the other's: [n]."""
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.clip((first * second).sum(axis=1) / np.maximum(norms, 1e-12), -1.0, 1.0)


def rounded_down(value: float, digits: int) -> float:
    """What is stated is never more than what was found."""
    return float(np.floor(value * 10**digits) / 10**digits)


def median_by_slide(values: FloatArray, slides: Sequence[str]) -> dict[str, float]:
    """Slide → median of its tiles."""
    names = np.asarray(slides)
    return {name: float(np.median(values[names == name])) for name in dict.fromkeys(slides)}


def score_change(
    heads: Mapping[str, Judge], first: FloatArray, second: FloatArray, slides: Sequence[str]
) -> float | None:
    """Largest change of any slide's score, as the service tells it, by any head: its bag ``second``, not ``first``."""
    if not heads:
        return None
    names = np.asarray(slides)
    largest = 0.0
    with torch.inference_mode():
        for head, temperature in heads.values():
            for name in dict.fromkeys(slides):
                scores = [
                    torch.softmax(head(torch.from_numpy(rows[names == name]).float())[0] / temperature, dim=0)
                    for rows in (first, second)
                ]
                largest = max(largest, float((scores[0] - scores[1]).abs().max()))
    return largest


def reference_of(graph: bytes, held_out: TileSet, heads: Mapping[str, Judge], threads: int) -> Reference:
    """``graph``: the student in fp32; ``heads``: trained on what it gives, by name."""
    tiles = held_out.tiles()
    return Reference(graph, tiles, held_out.slides, embed(open_graph(graph, threads), tiles, "by fp32"), heads, threads)


def fidelity_of(precision: str, graph: bytes, reference: Reference) -> Fidelity:
    """Of ``graph``, the student in ``precision``: its embeddings of the tiles, and the scores of the slides' bags."""
    found = embed(open_graph(graph, reference.threads), reference.tiles, f"by {precision}")
    near = cosines(reference.embeddings, found)
    change = score_change(reference.heads, reference.embeddings, found, reference.slides)
    return Fidelity(
        cosine_median=rounded_down(float(np.median(near)), 4),
        cosine_min=rounded_down(float(near.min()), 4),
        score_change_max=_rounded_up(change),
        n_tiles=len(reference.tiles),
        n_slides=len(set(reference.slides)),
    )


def worse_of(first: Fidelity, second: Fidelity) -> Fidelity:
    """Of each figure the worse; both were measured on the same tiles."""
    changes = [one.score_change_max for one in (first, second) if one.score_change_max is not None]
    return Fidelity(
        cosine_median=min(first.cosine_median, second.cosine_median),
        cosine_min=min(first.cosine_min, second.cosine_min),
        score_change_max=max(changes, default=None),
        n_tiles=first.n_tiles,
        n_slides=first.n_slides,
    )


def fidelity_in_words(found: Fidelity) -> str:
    """For the command and the card."""
    change = "no head to compare by" if found.score_change_max is None else f"{found.score_change_max:.4f}"
    return (
        f"cosine of embeddings {found.cosine_median:.4f} (median), {found.cosine_min:.4f} (lowest); largest change of "
        f"a slide's score {change}"
    )


def compare_speed(fp32: bytes, int8: bytes, tiles: NDArray[np.uint8]) -> Speed:
    """Both graphs as a core of the service runs them, in turns, so that what else the machine does hits both."""
    timed = np.ascontiguousarray(tiles[:TIMED_TILES])
    sessions = [open_graph(graph, 1) for graph in (fp32, int8)]
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(TIMED_TURNS + 1):
        for session, spent in zip(sessions, seconds, strict=True):
            start = time.perf_counter()
            for at in range(0, len(timed), BATCH_TILES):
                session.run(["embedding"], {"tiles": timed[at : at + BATCH_TILES]})
            if turn > 0:  # the first warms up
                spent.append(time.perf_counter() - start)
    fp32_s, int8_s = (statistics.median(spent) for spent in seconds)
    return Speed(len(timed) / fp32_s, len(timed) / int8_s)


def _rounded_up(value: float | None) -> float | None:
    return None if value is None else float(np.ceil(value * 1e4) / 1e4)
