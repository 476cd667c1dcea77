"""Slides that are whole but odd: each is analysed as its honest twin, or refused. The same seed gives the same slide.

The twin is the same pixels in a plain container, so that the right answer is known without the code under test.
"""

import io
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.slides.make_tiff import Page, page, write_tiff
from tests.slides.pixels import jpeg
from tests.tissue import GLASS, paint_tissue

MPP = 2.0
SIDE_PX = (1150, 1400)
LABEL_COLOUR = (255, 0, 255)
"""Neither tissue nor a map's palette comes near this magenta: a pixel of it in an answer is a pixel of the label."""
_RESOLUTION = {282: 1e4 / MPP, 283: 1e4 / MPP}
_SUBFILE, _PHOTOMETRIC, _COMPRESSION, _ORIENTATION, _DESCRIPTION = 254, 262, 259, 274, 270
_TILE_PX = 256
Pixels = NDArray[np.uint8]
Disguise = Callable[[list[Page], list[Pixels], random.Random], list[Page]]


@dataclass(frozen=True)
class Disguised:
    """A slide, its twin, and how it was disguised. ``has_label``: a label lies in it somewhere."""

    kind: str
    path: Path
    twin: Path
    has_label: bool


def pyramid(seed: int) -> list[Pixels]:
    """Level 0 and its block means by 2 and 4, each uint8 [h, w, 3]."""
    whole = paint_tissue(*SIDE_PX, seed=seed % 4)
    return [whole, _halved(whole), _halved(_halved(whole))]


def disguised(folder: Path, seed: int) -> Disguised:
    """Writes the slide of ``seed`` and its twin."""
    rng = random.Random(seed)
    images, disguise = pyramid(seed), DISGUISES[seed % len(DISGUISES)]
    is_jpeg = disguise is other_colours
    plain = [_page(image, number, is_jpeg=is_jpeg) for number, image in enumerate(images)]
    pages = disguise(list(plain), images, rng)
    name = disguise.__name__
    return Disguised(
        name,
        write_tiff(folder / f"{name}-{seed}.tif", pages),
        write_tiff(folder / f"twin-{seed}.tif", plain),
        disguise is label_among_levels,
    )


def label_among_levels(pages: list[Page], images: list[Pixels], rng: random.Random) -> list[Page]:
    """A label of any shape, the slide's own included, flagged in any way, anywhere behind the first page."""
    height, width = images[0].shape[:2]
    if rng.random() < 0.5:  # the slide's shape, to about a percent
        share = rng.uniform(0.08, 0.6)
        size = round(height * share * rng.uniform(0.99, 1.01)), round(width * share * rng.uniform(0.99, 1.01))
    else:
        size = rng.randint(120, 1000), rng.randint(120, 1000)
    label = np.full((*size, 3), LABEL_COLOUR, np.uint8)
    label[size[0] // 3 : size[0] // 2, size[1] // 5 : -size[1] // 5] = 0
    description = rng.choice([None, b"label\0", b"macro\0", b"PATIENT DOE JANE\0"])
    flagged = page(label, {**_RESOLUTION, _SUBFILE: rng.choice([0, 1, 8, 9]), _DESCRIPTION: description})
    pages.insert(rng.randint(1, len(pages)), flagged)
    return pages


def padded_levels(pages: list[Page], images: list[Pixels], rng: random.Random) -> list[Page]:
    """Coarser levels filled up to whole tiles with glass."""
    return [pages[0], *(_page(_padded(image), number) for number, image in enumerate(images) if number)]


def other_order(pages: list[Page], images: list[Pixels], rng: random.Random) -> list[Page]:
    """Levels in any order."""
    rng.shuffle(pages)
    return pages


def doubled_level(pages: list[Page], images: list[Pixels], rng: random.Random) -> list[Page]:
    """A level twice."""
    pages.insert(rng.randint(1, len(pages)), rng.choice(pages[1:]))
    return pages


def turned(pages: list[Page], images: list[Pixels], rng: random.Random) -> list[Page]:
    """An Orientation tag on some pages."""
    changed = rng.sample(range(len(pages)), rng.randint(1, len(pages)))
    orientation = rng.randint(1, 8)
    return [
        replace(one, tags={**one.tags, _ORIENTATION: orientation}) if number in changed else one
        for number, one in enumerate(pages)
    ]


def other_colours(pages: list[Page], images: list[Pixels], rng: random.Random) -> list[Page]:
    """JPEG tiles in YCbCr, as they say themselves, under a tag that says RGB."""
    return [replace(one, tags={**one.tags, _PHOTOMETRIC: 2}) for one in pages]


def unsupported(pages: list[Page], images: list[Pixels], rng: random.Random) -> list[Page]:
    """A compression that nobody here reads."""
    compression = rng.choice([34712, 34887, 34925, 50000, 50001, 50002, 22610, 65000])
    return [replace(one, tags={**one.tags, _COMPRESSION: compression}) for one in pages]


DISGUISES: tuple[Disguise, ...] = (
    label_among_levels,
    padded_levels,
    other_order,
    doubled_level,
    turned,
    other_colours,
    unsupported,
)


def shows_label(picture: bytes) -> bool:
    """Whether an answer's picture has pixels of the label's colour."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), np.int16)
    return bool((pixels[..., [0, 2]].min(-1) - pixels[..., 1] > 120).any())


def _page(image: Pixels, number: int, *, is_jpeg: bool = False) -> Page:
    tags = {**_RESOLUTION, _SUBFILE: int(number > 0)}
    if not is_jpeg:
        return page(image, tags, tile_px=_TILE_PX)
    return page(image, {**tags, _COMPRESSION: 7, _PHOTOMETRIC: 6, 530: (1, 1)}, jpeg, tile_px=_TILE_PX)


def _halved(image: Pixels) -> Pixels:
    height, width = (side // 2 * 2 for side in image.shape[:2])
    blocks = image[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).astype(np.float32)
    return blocks.mean((1, 3)).round().astype(np.uint8)


def _padded(image: Pixels) -> Pixels:
    missing = [(0, -side % _TILE_PX) for side in image.shape[:2]]
    filled = np.full(
        [side + more for side, (_, more) in zip(image.shape[:2], missing, strict=True)] + [3], GLASS, np.uint8
    )
    filled[: image.shape[0], : image.shape[1]] = image
    return filled
