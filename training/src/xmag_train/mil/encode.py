"""One embedding per region: the student at 5x, or the mean of the teacher's 16 at 20x."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from xmag_train.config import Config
from xmag_train.data.shards import Region
from xmag_train.distill.targets.cache import cache_folder, cached_targets, module_sha256
from xmag_train.distill.targets.cpu_teacher import fast_on_cpu, teacher_on
from xmag_train.distill.views.view import AugmentConfig
from xmag_train.geometry import TILE_PX, tiles_20x
from xmag_train.networks.students.checkpoint import load_student
from xmag_train.networks.students.registry import build_student
from xmag_train.networks.teachers.registry import build_teacher
from xmag_train.networks.weights import weights_of

Encode = Callable[[Tensor], Tensor]


class EncoderConfig(Config):
    """Exactly which network makes the embeddings.

    kind ``student``: ``weights`` is a `student.pt`, or ``imagenet``. kind ``teacher``: ``name`` in the registry, and
    ``weights`` a state dict's file, ``imagenet`` or ``hub``.
    """

    kind: Literal["student", "teacher"]
    name: str
    weights: str = "imagenet"

    def identity(self) -> dict[str, str]:
        """What a bag records of its encoder; heads are bound to ``encoder_sha256``. ValueError for random weights."""
        file = weights_of(self.weights)
        if file == "random":
            raise ValueError("random weights are others each time: name imagenet, hub or a file")
        named = f"{self.kind}:{self.name}:{self.weights}".encode()
        digest = hashlib.sha256(file.read_bytes() if isinstance(file, Path) else named)
        return {"encoder": f"{self.kind}:{self.name}", "weights": self.weights, "encoder_sha256": digest.hexdigest()}


def tile_5x(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [896, 896, 3] at 0.5 µm/px → uint8 [224, 224, 3] at 2.0 µm/px, LANCZOS."""
    return np.array(Image.fromarray(pixels).resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS))


def load_encoder(
    config: EncoderConfig, device: str, compiled: bool = False
) -> tuple[Encode, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]]:
    """(embedding of tiles [n, D], tiles of a region [k, 224, 224, 3]); a region's embedding is the mean over its k.

    ``compiled``: on a CPU, convolutional networks are run by onnxruntime; it pays from some hundred tiles on.
    ValueError where a `student.pt` holds another student than ``name``.
    """
    weights = weights_of(config.weights)
    network: nn.Module
    if config.kind == "teacher":
        network = build_teacher(config.name, weights)
    elif isinstance(weights, Path):
        loaded = load_student(weights)
        if loaded.name != config.name:
            raise ValueError(f"{weights.name} holds the student {loaded.name}, not {config.name}")
        network = EmbeddingOnly(loaded.module)
    else:
        network = EmbeddingOnly(build_student(config.name, weights))
    network = network.eval()
    ready = fast_on_cpu(network, torch.get_num_threads()) if compiled and device == "cpu" else network.to(device)
    return ready, (tiles_20x if config.kind == "teacher" else _one_tile_5x)


@torch.inference_mode()
def mean_by_place(encode: Encode, tiles: NDArray[np.uint8], places: int, device: str) -> NDArray[np.float32]:
    """uint8 [places · k, 224, 224, 3] → float32 [places, D]: the mean over each place's k tiles, side by side."""
    found = encode(torch.from_numpy(tiles).to(device)).float().unflatten(0, (places, -1)).mean(dim=1)
    rows: NDArray[np.float32] = found.cpu().numpy()
    return rows


class EmbeddingOnly(nn.Module):
    """A student without its tokens."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student

    def forward(self, tiles: Tensor) -> Tensor:
        """uint8 [N, 224, 224, 3] → [N, D]."""
        return self.student(tiles)[0]


def _one_tile_5x(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return tile_5x(pixels)[None]


def cached_regions(
    regions: Iterable[Region], corpus: Sequence[Region], config: EncoderConfig, cache: Path, device: torch.device
) -> Iterator[tuple[Region, NDArray[np.float32]]]:
    """As ``encode_regions``, for a teacher whose 16 embeddings of each region of ``corpus`` lie in ``cache``."""
    teacher = build_teacher(config.name, weights_of(config.weights))
    folder = cache_folder(cache, corpus, config.name, module_sha256(teacher), AugmentConfig())
    runner = teacher_on(device, teacher, torch.get_num_threads())
    (plain,) = cached_targets(
        folder, corpus, runner, dim=teacher.spec.dim, views=1, config=AugmentConfig(), device=device
    )
    row = {region.key: at for at, region in enumerate(corpus)}
    for region in regions:
        yield region, plain[row[region.key]].astype(np.float32).mean(axis=0)


def encode_regions(
    regions: Iterable[Region], config: EncoderConfig, device: str = "cpu", batch_regions: int = 8
) -> Iterator[tuple[Region, NDArray[np.float32]]]:
    """Each region with its embedding [D]."""
    encode, cut = load_encoder(config, device, compiled=config.kind == "teacher")
    waiting: list[Region] = []

    def flush() -> Iterator[tuple[Region, NDArray[np.float32]]]:
        tiles = np.concatenate([cut(region.pixels()) for region in waiting])
        yield from zip(waiting, mean_by_place(encode, tiles, len(waiting), device), strict=True)

    for region in regions:
        waiting.append(region)
        if len(waiting) == batch_regions:
            yield from flush()
            waiting = []
    if waiting:
        yield from flush()
