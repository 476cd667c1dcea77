"""How near each other way of reading comes to level-0 LANCZOS, as the manifest wants it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from app.slides.sandbox.reader import SlideReader
from xmag_train.distill.check.slide_readings import cosines_of_slide
from xmag_train.distill.views.readings import Reading
from xmag_train.export.config import SlideReadingConfig
from xmag_train.export.measure.precision_fidelity import FloatArray, cosines, median_by_slide, rounded_down
from xmag_train.export.measure.tiles import TileSet
from xmag_train.networks.students.checkpoint import load_student
from xmag_train.progress import track

# Way → slide → median cosine of its tiles to LANCZOS.
ByWay = Mapping[str, Mapping[str, float]]
# The manifest's word for each way.
WAYS: dict[str, Reading] = {"box": "area", "coarse_level": "pyramid", "dct": "dct"}


def region_cosines(embed: Callable[[NDArray[np.uint8]], FloatArray], held_out: TileSet) -> ByWay:
    """Of regions read in each way: median over a slide's regions. embed: uint8 [n, 224, 224, 3] → [n, D]."""
    plain = embed(held_out.tiles("lanczos"))
    return {
        way: median_by_slide(cosines(plain, embed(held_out.tiles(reading))), held_out.slides)
        for way, reading in WAYS.items()
    }


def slide_cosines(slides: Sequence[SlideReadingConfig]) -> ByWay:
    """Of whole slides read by the service's reader, each by a student that never saw its case; by the file's name.

    A way is there only where some slide reads differently in it. SlideError's kinds where one cannot be read.
    """
    found: dict[str, dict[str, float]] = {}
    with SlideReader() as reader:
        for entry in track(slides, "readings of whole slides"):
            student = load_student(entry.student).module.eval()
            for way, value in cosines_of_slide(student, entry.slide, reader).items():
                of_way = found.setdefault(way, {})
                of_way[entry.slide.name] = min(value, of_way.get(entry.slide.name, value))
    return found


def lowest(*parts: ByWay) -> dict[str, float]:
    """Way → the lowest slide's figure in any of ``parts``, rounded down to 4 digits: what the manifest states."""
    ways = dict.fromkeys(way for part in parts for way in part)
    return {way: rounded_down(min(min(part[way].values()) for part in parts if way in part), 4) for way in ways}
