"""Whole slides read in the service's other ways: what their own pyramid levels do to the embedding."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from torch import nn

from app.errors import SlideError
from app.slides.formats.levels.level import choose_level
from app.slides.sandbox.reader import SlideReader
from app.slides.types import ReadingPlan
from xmag_train.distill.check.reading_agreement import embed, reading_cosines

LEVEL_TOLERANCE = 0.06
BATCH_TILES = 16


def slide_readings(path: Path, reader: SlideReader, plan: ReadingPlan) -> dict[str, NDArray[np.uint8]]:
    """Way → uint8 [tiles, 224, 224, 3], always with ``lanczos``; the others only where they read something else.

    ``dct`` is read with the level's tolerance, as a model that asks for both has it read.
    SlideError's kinds where the slide cannot be read.
    """
    info = reader.open(path.resolve())
    plans = {
        "lanczos": plan,
        "box": replace(plan, resample_filter="box"),
        "coarse_level": replace(plan, level_tolerance=LEVEL_TOLERANCE),
        "dct": replace(plan, level_tolerance=LEVEL_TOLERANCE, decoder_scaling="dct"),
    }
    if choose_level(info, plan.tile_mpp, LEVEL_TOLERANCE) == choose_level(info, plan.tile_mpp):
        del plans["coarse_level"]
    read = {}
    for way, wanted in plans.items():
        reader.survey(wanted)
        read[way] = np.concatenate([batch.tiles.copy() for batch in reader.tiles(BATCH_TILES)])
    if np.array_equal(read["dct"], read.get("coarse_level", read["lanczos"])):
        del read["dct"]  # no level that the decoder could halve
    return read


def cosines_of_slide(student: nn.Module, path: Path, reader: SlideReader) -> dict[str, float]:
    """Way → median over the slide's tiles of the cosine to LANCZOS. SlideError's kinds where it cannot be read."""
    read = slide_readings(path, reader, ReadingPlan())
    return reading_cosines({way: embed(student, tiles) for way, tiles in read.items()})


def slide_cosines(student: nn.Module, folder: Path) -> dict[str, dict[str, float]]:
    """Slide → ``cosines_of_slide``; what is no H&E slide with an mpp is left out."""
    found: dict[str, dict[str, float]] = {}
    reader = SlideReader()
    try:
        for path in sorted(folder.iterdir()):
            if not reader.alive:
                reader = SlideReader()
            try:
                found[path.name] = cosines_of_slide(student, path, reader)
            except SlideError as error:
                typer.echo(f"{path.name}: {error.code}; left out", err=True)
    finally:
        reader.close()
    return found
