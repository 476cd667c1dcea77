"""One slide, two ways, in turn: the service's pipeline, and tile by tile through OpenSlide as is usual.

Both run the same student, in fp32, on the same tiles; start-up (imports, model, process) is not counted for either.
Usage: python benchmarks/whole_slide.py SLIDE [--rounds 5]
"""

import platform
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import openslide
from machine import MODEL, in_turn, note, options
from PIL import Image

from app.analysis.pipeline import Means, SlideRequest, analyze
from app.analysis.reading_plan import reading_plan
from app.inference.device import Device
from app.inference.model import Model, load_model
from app.inference.runtime import onnxruntime
from app.slides.sandbox.reader import SlideReader
from app.system.logs import configure_logs

BATCH_TILES = 16


def usual_way(slide: Path, model: Model, device: Device, coords: np.ndarray, mpp: float) -> np.ndarray:
    """OpenSlide's read_region and a LANCZOS resize for each tile, then the student: float32 [N, D]."""
    plan = reading_plan(model.manifest)
    with openslide.OpenSlide(str(slide)) as opened:
        level = opened.get_best_level_for_downsample(plan.tile_mpp / mpp)
        side = round(plan.tile_px * plan.tile_mpp / mpp / opened.level_downsamples[level])
        features = []
        for start in range(0, len(coords), BATCH_TILES):
            tiles = []
            for x0, y0 in coords[start : start + BATCH_TILES].tolist():
                region = opened.read_region((x0, y0), level, (side, side)).convert("RGB")
                tiles.append(np.asarray(region.resize((plan.tile_px, plan.tile_px), Image.Resampling.LANCZOS)))
            features.append(device.embed(model.embedder, np.stack(tiles)))
    return np.concatenate(features)


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    given = options(__doc__, "slide", rounds=5)
    model = load_model(MODEL, device="cpu", precision="fp32")
    model.warm_up()
    request = SlideRequest(given.slide)
    with SlideReader() as reader, closing(Device()) as device:
        means = Means(model.manifest, lambda: model, reader, device)
        first = analyze(request, means, lambda *_: None)
        coords, mpp = first.coords, first.document.slide.mpp
        naive = usual_way(given.slide, model, device, coords, mpp)
        sides = {
            "ours": lambda: timed(lambda: analyze(request, means, lambda *_: None)),
            "usual": lambda: timed(lambda: usual_way(given.slide, model, device, coords, mpp)),
        }
        ours, usual = in_turn(sides, given.rounds).values()
    cosines = (first.features * naive).sum(1) / np.linalg.norm(first.features, axis=1) / np.linalg.norm(naive, axis=1)
    ratios = [b / a for a, b in zip(ours, usual, strict=True)]
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, onnxruntime ", end="")
    print(f"{onnxruntime.__version__}, OpenSlide {openslide.__library_version__}; {len(coords)} tiles")
    print("| | median s | min | max |\n|---|---|---|---|")
    for name, seconds in (
        ("pipeline (survey, tiles, student, head, hash)", ours),
        ("tiles one by one + student", usual),
    ):
        print(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | {max(seconds):.2f} |")
    print(f"usual / pipeline, pair by pair: median {statistics.median(ratios):.2f}, ", end="")
    print(f"{min(ratios):.2f} to {max(ratios):.2f}; median cosine of the embeddings {np.median(cosines):.4f}")
    note(whole_ratio=statistics.median(ratios))


if __name__ == "__main__":
    configure_logs("warning", "text")  # standard output is the table's
    main()
