"""How near each other way of reading comes to level-0 LANCZOS, as the manifest wants it."""

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray

from app.slides.reader import SlideReader
from app.slides.types import ReadingPlan
from xmag_train.distill.fidelity import embed as embed_tiles
from xmag_train.distill.fidelity import reading_cosines
from xmag_train.distill.readings import Reading
from xmag_train.distill.slide_readings import slide_readings
from xmag_train.export.config import SlideReadingConfig
from xmag_train.export.fidelity import FloatArray, cosines, median_by_slide
from xmag_train.export.tiles import TileSet
from xmag_train.students.checkpoint import load_student

# The manifest's word for each way.
WAYS: dict[str, Reading] = {"box": "area", "coarse_level": "pyramid", "dct": "dct"}


def reader_cosine(embed: Callable[[NDArray[np.uint8]], FloatArray], held_out: TileSet) -> dict[str, float]:
    """Way → median cosine to LANCZOS of a slide's tiles, on the slide where it is lowest; rounded down to 4 digits.

    embed: uint8 [n, 224, 224, 3] → [n, D].
    """
    plain = embed(held_out.tiles("lanczos"))
    return {
        way: _floor(min(median_by_slide(cosines(plain, embed(held_out.tiles(reading))), held_out.slides).values()))
        for way, reading in WAYS.items()
    }


@torch.inference_mode()
def slides_cosine(slides: Sequence[SlideReadingConfig]) -> dict[str, float]:
    """The same of whole slides read by the service's reader, each by a student that never saw its case.

    ``coarse_level`` only where a slide has such a level. SlideError's kinds where one cannot be read.
    """
    lowest: dict[str, float] = {}
    with closing(SlideReader()) as reader:
        for entry in slides:
            student = load_student(entry.student).module.eval()
            read = slide_readings(entry.slide, reader, ReadingPlan())
            found = reading_cosines({way: embed_tiles(student, tiles) for way, tiles in read.items()})
            for way, value in found.items():
                lowest[way] = min(lowest.get(way, 1.0), _floor(value))
    return lowest


def _floor(value: float) -> float:
    return float(np.floor(value * 1e4) / 1e4)
