"""Tiles per slide and seconds per slide, teacher at 20x and student at 5x, on the same slides by the same reader.

Both magnifications use the service's tissue mask and the same share of tissue that keeps a tile. Tiles are counted
on the whole slide. Time is measured on its first tiles and scaled by their number; the survey is counted whole.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from app.slides.sandbox.reader import SlideReader
from app.slides.types import ReadingPlan
from xmag_train.evaluate.config import SpeedConfig
from xmag_train.mil.encode import Encode, EncoderConfig, load_encoder
from xmag_train.progress import track

BATCH_TILES = 16
MPP = {"student": 2.0, "teacher": 0.5}


@dataclass(frozen=True)
class SlideSpeed:
    """``tiles`` of the slide; ``timed`` of them were read and embedded; ``seconds``: the slide's, scaled by that."""

    slide: str
    kind: str
    mpp: float
    tiles: int
    timed: int
    survey_s: float
    per_tile_ms: float
    seconds: float


def measure_speed(config: SpeedConfig) -> list[SlideSpeed]:
    """Two rows a slide, student's first."""
    rows = []
    for encoder in (config.student, config.teacher):
        network = load_encoder(encoder, config.device, compiled=True)[0]
        for path in track(config.slides, f"speed of the {encoder.kind}, slides"):
            rows.append(_slide(path, encoder, network, config))
    return sorted(rows, key=lambda row: (row.slide, row.kind))


@torch.inference_mode()
def _slide(path: Path, encoder: EncoderConfig, network: Encode, config: SpeedConfig) -> SlideSpeed:
    plan = ReadingPlan(tile_mpp=MPP[encoder.kind])
    with SlideReader() as reader:
        started = time.perf_counter()
        reader.open(path.resolve())
        survey = reader.survey(plan)
        survey_s = time.perf_counter() - started
        total, timed = len(survey.coords), 0
        network(torch.zeros((BATCH_TILES, plan.tile_px, plan.tile_px, 3), dtype=torch.uint8, device=config.device))
        started = time.perf_counter()
        for batch in reader.tiles(BATCH_TILES):
            network(torch.from_numpy(batch.tiles.copy()).to(config.device)).cpu()
            timed += len(batch.tiles)
            if timed >= config.timed_tiles:
                break
        spent_s = time.perf_counter() - started
    if timed == 0:
        raise ValueError(f"{path.name} has no tissue to time")
    per_tile_s = spent_s / timed
    return SlideSpeed(
        path.name,
        encoder.kind,
        MPP[encoder.kind],
        total,
        timed,
        survey_s,
        1000 * per_tile_s,
        survey_s + total * per_tile_s,
    )
