"""What makes a bag's features: an exported model by the service's runner, or a network of training by torch.

Both lay the same grid of 448 µm over a slide and keep the same tiles. The bags of a 20x teacher and of a 5x student
therefore hold the same places row by row. A teacher's row is the mean of its 16 embeddings of the place. The student
was taught to give that mean.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from app.analysis.reading_plan import reading_plan
from app.inference.device import Device
from app.inference.manifest import load_manifest
from app.inference.model import Model, load_model
from app.slides.types import ReadingPlan
from xmag_train.embed.config import EmbedConfig
from xmag_train.geometry import REGION_MPP, REGION_PX, tiles_20x
from xmag_train.machine import torch_device
from xmag_train.mil.encode import Encode, EncoderConfig, load_encoder, mean_by_place

TEACHER_FIELDS = 4
"""Fields of 896 px that the reader hands over at a time: 64 teacher tiles."""
INSTANCES = {"teacher": "mean of 16 tiles of 224 px at 0.5 um/px", "student": "224 px tile at 2.0 um/px"}


@dataclass(frozen=True)
class Source:
    """``embed``: uint8 [n, px, px, 3], as ``plan`` reads them, → float32 [n, D]; ``batch_tiles``: n, at most.

    ``about``: attributes of ``coords``. ``weights_sha256``: of the network that runs; with ``plan`` it decides the
    features. ``encoder``: attributes of the file, which bind heads to what made them.
    """

    plan: ReadingPlan
    embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    batch_tiles: int
    about: Mapping[str, str | float]
    weights_sha256: str
    encoder: Mapping[str, str]

    def stamp(self) -> dict[str, str]:
        """Attributes of the file: a bag is this source's if it says the same."""
        return {"weights_sha256": self.weights_sha256, "reading": json.dumps(asdict(self.plan))}


def open_source(config: EmbedConfig) -> Source:
    """The encoder that ``config`` names, or its model's student."""
    if config.encoder is not None:
        return encoder_source(config, config.encoder)
    if config.model is None:
        raise ValueError("neither a model nor an encoder is named")
    model = load_model(config.model, device=config.device, precision=config.precision, threads=config.threads)
    return model_source(model, config.batch_tiles)


def model_source(model: Model, batch_tiles: int) -> Source:
    """The student of an exported model, with what the service's embeddings.h5 says."""
    manifest = model.manifest
    student = manifest.variant(model.precision).file.sha256  # the variant that runs
    return Source(
        plan=reading_plan(manifest),
        embed=partial(Device().embed, model.embedder),
        batch_tiles=max(batch_tiles, model.embedder.batch_tiles * model.embedder.lanes),
        about={
            "model": f"{manifest.name} {manifest.version}",
            "model_manifest_sha256": model.manifest_sha256,
            "student_sha256": student,
        },
        weights_sha256=student,
        encoder={
            "encoder": f"student:{manifest.name}",
            "encoder_sha256": checkpoint_of(manifest.provenance.config) or student,
        },
    )


def encoder_source(config: EmbedConfig, encoder: EncoderConfig) -> Source:
    """A teacher on the 4×4 tiles of each 5x tile's field at 20x, or a student that was not exported, at 5x."""
    torch.set_num_threads(config.threads)
    device = torch_device(config.device)
    tissue_min = ReadingPlan().tissue_min if config.model is None else load_manifest(config.model).tissue_min
    if encoder.kind == "teacher":
        plan = ReadingPlan(tile_px=REGION_PX, tile_mpp=REGION_MPP, tissue_min=tissue_min)
    else:
        plan = ReadingPlan(tissue_min=tissue_min)
    identity = encoder.identity()
    return Source(
        plan=plan,
        embed=_embedding_of(load_encoder(encoder, device, compiled=True)[0], encoder.kind, device),
        batch_tiles=TEACHER_FIELDS if encoder.kind == "teacher" else config.batch_tiles,
        about={
            "model": identity["encoder"],
            "encoder_sha256": identity["encoder_sha256"],
            "tissue_min": tissue_min,
        },
        weights_sha256=identity["encoder_sha256"],
        encoder={**identity, "instance": INSTANCES[encoder.kind]},
    )


def checkpoint_of(config: str) -> str | None:
    """The sha256 after `student.pt ` in a manifest's ``provenance.config``: what its heads are bound to."""
    _, found, rest = config.partition("student.pt ")
    return rest[:64] if found and len(rest) >= 64 else None


def _embedding_of(network: Encode, kind: str, device: str) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    def embed(fields: NDArray[np.uint8]) -> NDArray[np.float32]:
        tiles = np.concatenate([tiles_20x(field) for field in fields]) if kind == "teacher" else fields.copy()
        return mean_by_place(network, tiles, len(fields), device)

    return embed
