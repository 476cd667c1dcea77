"""Reading 5x tiles on one core, three ways in turn: the service's reader, OpenSlide tile by tile, bare decoding.

The usual way is OpenSlide's read_region, RGB, and Pillow's LANCZOS; bare decoding is that of the compressed tiles under
the same 5x tiles, each once and at full size, also where the service has the decoder halve them. Processor time of the
process, so that a busy machine distorts little; opening and the check against OpenSlide count for the service's reader,
which reads as the shipped model wants it. The difference, to tiles read through OpenSlide at the same places, is that
of whole tiles, also where the manifest has the decoder halve them: more than 2 grey levels where OpenSlide
interpolates. Slides that say no resolution are taken for 0.5 µm/px. Last, what one core's speed would come to on 16.
Usage: python benchmarks/reading.py SLIDE_OR_FOLDER ... [--rounds 3] [--tiles 24]
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported: one core

import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import openslide
import PIL
import simplejpeg
from machine import MODEL, note, options
from PIL import Image

from app.analysis.reading_plan import reading_plan
from app.errors import MppImplausibleError, MppMissingError
from app.inference.manifest import read_manifest
from app.slides.formats.compressed.direct_level import DirectLevel
from app.slides.formats.compressed.tile_codec import decode_tile
from app.slides.formats.compressed.tiled_image import NotDirectError, find_tiled_image
from app.slides.formats.levels.level import choose_level
from app.slides.formats.opening import OpenedSlide, open_slide
from app.slides.tiles.render import render_tile
from app.slides.tiles.survey import survey_slide
from app.slides.tiles.tile_reader import TileReader
from app.slides.types import ReadingPlan
from app.system.logs import configure_logs

PLAN = reading_plan(read_manifest(MODEL)[0])
CORES_EXTRAPOLATED = 16
MPP_ASSUMED = 0.5


@dataclass(frozen=True)
class Row:
    """ms per 5x tile (medians over the rounds), the ratio round by round, and how far the pixels lie apart."""

    name: str
    tiles: int
    direct_ms: float
    openslide_ms: float
    bare_ms: float
    ratio: float
    difference_max: int
    difference_mean: float
    why_openslide: str


def slides(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.iterdir()) if path.is_dir() and not list(path.glob("*.dcm")) else [path]


def opened(path: Path) -> OpenedSlide:
    try:
        return open_slide(path)
    except (MppMissingError, MppImplausibleError):
        return open_slide(path, MPP_ASSUMED)


def usual_way(path: Path, level: int, side: int, coords: np.ndarray) -> np.ndarray:
    size = (PLAN.tile_px, PLAN.tile_px)
    with openslide.OpenSlide(path) as slide:
        regions = (slide.read_region((x0, y0), level, (side, side)).convert("RGB") for x0, y0 in coords.tolist())
        return np.stack([np.asarray(region.resize(size, Image.Resampling.LANCZOS)) for region in regions])


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def measure(path: Path, rounds: int, tiles_most: int) -> Row:
    with opened(path) as slide:
        level = choose_level(slide.info, PLAN.tile_mpp, PLAN.level_tolerance)
        coords = survey_slide(slide, PLAN).coords[:tiles_most]
        side = round(PLAN.tile_px * PLAN.tile_mpp / slide.info.mpp / slide.info.levels[level].downsample)
        why = ""

        def service(plan: ReadingPlan = PLAN) -> np.ndarray:
            nonlocal why
            with opened(path) as fresh, TileReader(fresh, plan, coords) as reader:
                why = reader.why_openslide
                return np.stack([reader.tile(index) for index in range(len(coords))])

        bare = bare_decoding(slide, level, coords)
        same_places = np.stack([render_tile(slide, PLAN, level, x0, y0) for x0, y0 in coords.tolist()])
        difference = np.abs(service(replace(PLAN, decoder_scaling="none")).astype(int) - same_places)
        times = [
            (seconds(service), seconds(lambda: usual_way(slide.entry, level, side, coords)), seconds(bare))
            for _ in range(rounds)
        ]
    ours, usual, decoding = (statistics.median(column) / len(coords) * 1e3 for column in zip(*times, strict=True))
    ratio = statistics.median(b / a for a, b, _ in times)
    return Row(
        path.name, len(coords), ours, usual, decoding, ratio, int(difference.max()), float(difference.mean()), why
    )


def bare_decoding(slide: OpenedSlide, level: int, coords: np.ndarray) -> Callable[[], None]:
    """Decodes what lies under the tiles, out of memory; nothing where the slide is not read directly."""
    try:
        image = find_tiled_image(slide.entry, slide.info, level, slide.colours)
    except NotDirectError:
        return lambda: None
    side = PLAN.tile_px * PLAN.tile_mpp / slide.info.mpp
    downsample = slide.info.levels[level].downsample
    under = set()
    for x0, y0 in coords.tolist():
        columns = range(int(x0 / downsample) // image.tile_width, int((x0 + side) / downsample) // image.tile_width + 1)
        rows = range(int(y0 / downsample) // image.tile_height, int((y0 + side) / downsample) // image.tile_height + 1)
        under |= {(row, column) for row in rows for column in columns}
    inside = [
        place for place in sorted(under) if place[0] < image.offsets.shape[0] and place[1] < image.offsets.shape[1]
    ]
    with DirectLevel(slide.entry, image) as direct:
        compressed = [direct._compressed(*place) for place in inside]

    def decode() -> None:
        for data in compressed:
            decode_tile(data, image)

    return decode


def main() -> None:
    given = options(__doc__, "slides+", rounds=3, tiles=24)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ",
        end="",
    )
    print(f"OpenSlide {openslide.__library_version__}, Pillow {PIL.__version__}, numpy {np.__version__}, ", end="")
    print(
        f"simplejpeg {simplejpeg.__version__}; processor ms per 5x tile, decoder scaling {PLAN.decoder_scaling}",
        end="",
    )
    print(f", LANCZOS, medians of {given.rounds}")
    print(
        "| slide | tiles | service | OpenSlide + Pillow | ratio | bare decoding | its share | difference max, mean | |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    rows = []
    for path in slides(given.slides):
        row = measure(path, given.rounds, given.tiles)
        rows.append(row)
        print(f"| {row.name} | {row.tiles} | {row.direct_ms:.2f} | {row.openslide_ms:.2f} | {row.ratio:.1f} | ", end="")
        print(f"{row.bare_ms:.2f} | {row.bare_ms / row.direct_ms:.0%} | {row.difference_max}, ", end="")
        print(f"{row.difference_mean:.2f} | {row.why_openslide} |", flush=True)
    for row in rows:
        per_core = 1e3 / row.direct_ms
        print(f"\n{row.name}: {per_core:.0f} tiles/s per core; extrapolated, not measured: ", end="")
        print(f"{CORES_EXTRAPOLATED * per_core:.0f} tiles/s on {CORES_EXTRAPOLATED} cores, one reader process each")
    first = rows[0]
    note(
        reading_ratio=first.ratio,
        reading_of_bare=first.bare_ms / first.direct_ms,
        reading_16=CORES_EXTRAPOLATED * 1e3 / first.direct_ms,
    )


if __name__ == "__main__":
    configure_logs("warning", "text")  # standard output is the table's
    main()
