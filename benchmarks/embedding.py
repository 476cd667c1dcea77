"""The student alone: tiles/s of each precision in turn, on real tiles of a slide, and how near it comes to fp32.

Usage: python benchmarks/embedding.py SLIDE [--rounds 5] [--tiles 64]
"""

import statistics
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from machine import MODEL, in_turn, note, options

from app.analysis.reading_plan import reading_plan
from app.inference.cores import available_cores
from app.inference.device import Device
from app.inference.model import Model, load_model
from app.inference.processor import int8_is_exact
from app.slides.formats.opening import open_slide
from app.slides.tiles.survey import survey_slide
from app.slides.tiles.tile_reader import TileReader
from app.system.logs import configure_logs


def some_tiles(slide: Path, model: Model, count: int) -> np.ndarray:
    """Spread over the slide: uint8 [count, 224, 224, 3]."""
    with open_slide(slide) as opened:
        coords = survey_slide(opened, reading_plan(model.manifest)).coords
        chosen = coords[np.linspace(0, len(coords) - 1, min(count, len(coords))).astype(int)]
        with TileReader(opened, reading_plan(model.manifest), chosen) as reader:
            return np.stack([reader.tile(index) for index in range(len(chosen))])


def main() -> None:
    given = options(__doc__, "slide", rounds=5, tiles=64)
    threads = sorted({1, available_cores()})
    shipped = [variant.precision for variant in load_model(MODEL, device="cpu", precision="fp32").manifest.student]
    precisions = [precision for precision in shipped if precision != "int8" or int8_is_exact()]
    models = {
        (precision, count): load_model(MODEL, device="cpu", precision=precision, threads=count)
        for precision in precisions
        for count in threads
    }
    tiles = some_tiles(given.slide, next(iter(models.values())), given.tiles)

    def speed(model: Model) -> float:
        with closing(Device()) as device:
            start = time.perf_counter()
            device.embed(model.embedder, tiles)
            return len(tiles) / (time.perf_counter() - start)

    for model in models.values():
        model.warm_up()
    found = in_turn({key: partial(speed, model) for key, model in models.items()}, given.rounds)
    reference = models[precisions[0], threads[-1]].embedder.embed(tiles)
    print(
        f"Student, {len(tiles)} real tiles in batches of {next(iter(models.values())).embedder.batch_tiles}; ", end=""
    )
    print(f"tiles/s, medians of {given.rounds}; ratios round by round\n")
    print("| precision | " + " | ".join(f"{count} threads" for count in threads) + " | to fp32 | median cosine |")
    print("|---|" + "---|" * (len(threads) + 2))
    for precision in precisions:
        speeds = [statistics.median(found[precision, count]) for count in threads]
        pairs = zip(found[precision, threads[-1]], found[precisions[0], threads[-1]], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        features = models[precision, threads[-1]].embedder.embed(tiles)
        lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(reference, axis=1)
        cosine = float(np.median((features * reference).sum(1) / lengths))
        print(f"| {precision} | " + " | ".join(f"{value:.0f}" for value in speeds) + f" | {ratio:.2f} | {cosine:.4f} |")
        note(**{f"embed_{precision}": speeds[-1]})
    if "fp16" in precisions:
        print("\nfp16 is for GPUs: a CPU computes each layer in fp32 and rounds.")
    if precisions != shipped:
        print("\nint8 is not run: this processor does not compute it exactly (no VNNI).")


if __name__ == "__main__":
    configure_logs("warning", "text")  # standard output is the table's
    main()
