"""Compares an image with a finer level of the slide at a few places: whether it shows the same, and at which scale.

A label can have the slide's shape, and a level that was filled up to whole tiles can have several scales. Both are
told by pixels: the part of the image that holds most is compared with the finer level, shrunk to each scale in turn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openslide
from PIL import Image

from app.slides.closing import Closing
from app.slides.formats.compressed.direct_level import DirectLevel, LevelRect
from app.slides.formats.compressed.tiled_image import NotDirectError
from app.slides.formats.levels.level_places import PLACE_INSET_PX, PLACE_MIN_PX, Place, Places
from app.slides.types import Float32Array

_WINDOW_PX = 60
_FINER_PX = 1024
"""Approximate largest side of a window on the finer level."""
_WINDOWS_MAX = 3
_FLAT = 6.0
"""Standard deviation in grey levels; a window below it is glass, whose noise proves nothing."""
_FLAT_APART = 16.0
_ALIKE = 0.8
"""Correlation. Levels of real slides reach 0.95 and more, labels and other scales mostly less than 0.4."""
_UNLIKE = 0.5
"""A lower correlation rejects the scale at once."""
_AHEAD = 0.03
"""Least lead of the best scale over the next."""


@dataclass(frozen=True)
class Picture(Closing):
    """One of the images that OpenSlide calls levels, by ``number``; a context manager that closes it.

    ``direct``: its compressed tiles, if they can be read without OpenSlide, which is five times slower.
    """

    slide: openslide.OpenSlide
    number: int
    direct: DirectLevel | None = None

    def close(self) -> None:
        """Close the tiles; the slide stays open."""
        if self.direct is not None:
            self.direct.close()

    def read(self, place: Place) -> Float32Array:
        """float32 [height, width, 3] RGB, white where there is nothing. Raises openslide.OpenSlideError."""
        if self.direct is not None:
            try:
                return self.direct.read(LevelRect(place.x, place.y, place.width, place.height)).astype(np.float32)
            except NotDirectError:  # a tile that is missing or damaged
                pass
        said = self.slide.level_downsamples[self.number]
        location = round(place.x * said), round(place.y * said)
        region = self.slide.read_region(location, self.number, (place.width, place.height))
        white = Image.new("RGB", region.size, "white")
        white.paste(region, mask=region.getchannel("A"))
        return np.asarray(white, np.float32)


def find_scale(picture: Picture, finer: Picture, scales: Sequence[float], places: Places) -> float | None:
    """Which of ``scales`` (px of ``finer`` for one of ``picture``) shows the same; None if none does or several may.

    If everything is flat and has the finer level's colour, the first scale. Raises openslide.OpenSlideError.
    """
    windows = 0
    for place in places.in_order:
        window, pixels = _fullest_window(picture, place, max(scales))
        looks = [_shrunk(finer, window, scale) for scale in scales]
        if _spread(pixels) < _FLAT:
            if not any(_flat_alike(pixels, look) for look in looks):
                return None
            if places.fullest_first:
                return scales[0] if windows == 0 else None
            continue
        likeness = sorted(((_correlation(pixels, look), -at) for at, look in enumerate(looks)), reverse=True)
        best, at = likeness[0]
        if best >= _ALIKE and (len(likeness) == 1 or best - likeness[1][0] >= _AHEAD):
            return scales[-at]
        windows += 1
        if best < _UNLIKE or windows == _WINDOWS_MAX:
            return None
    return scales[0] if places.all and windows == 0 else None


def _fullest_window(picture: Picture, place: Place, scale: float) -> tuple[Place, Float32Array]:
    """The square part of a place with the greatest colour variation, and its pixels."""
    pixels = picture.read(place)
    side = min(_WINDOW_PX, max(PLACE_MIN_PX, int(_FINER_PX / scale)), place.width, place.height)
    starts = [(y, x) for y in _starts(place.height, side) for x in _starts(place.width, side)]
    rough = pixels[::2, ::2]
    y, x = max(
        starts, key=lambda at: _spread(rough[at[0] // 2 : (at[0] + side) // 2, at[1] // 2 : (at[1] + side) // 2])
    )
    return Place(place.x + x, place.y + y, side, side), pixels[y : y + side, x : x + side]


def _starts(length: int, side: int) -> list[int]:
    """Starts of a place's windows: four windows per tile of 256 px, each over one finer tile."""
    return [*range(0, length - side, side + 2 * PLACE_INSET_PX), length - side]


def _spread(pixels: Float32Array) -> float:
    """Standard deviation of the channel that varies most."""
    return float(pixels.std(axis=(0, 1)).max())


def _shrunk(finer: Picture, window: Place, scale: float) -> Float32Array:
    """float32 [h, w, 3]: what the finer level shows in the window's place, ``scale`` px averaged to one."""
    left, top, width, height = (side * scale for side in (window.x, window.y, window.width, window.height))
    x, y = math.floor(left), math.floor(top)
    region = Place(x, y, math.ceil(left - x + width), math.ceil(top - y + height))
    box = (left - x, top - y, min(left - x + width, region.width), min(top - y + height, region.height))
    pixels = Image.fromarray(finer.read(region).astype(np.uint8))
    return np.asarray(pixels.resize((window.width, window.height), Image.Resampling.BOX, box=box), np.float32)


def _flat_alike(pixels: Float32Array, look: Float32Array) -> bool:
    apart = np.abs(pixels.mean(axis=(0, 1)) - look.mean(axis=(0, 1))).max()
    return _spread(look) < 2 * _FLAT and float(apart) < _FLAT_APART


def _correlation(pixels: Float32Array, look: Float32Array) -> float:
    """Correlation, -1 to 1, over all channels, of means over 2 × 2 px: levels may be shifted by half a px."""
    mine, theirs = _halved(pixels), _halved(look)
    mine, theirs = mine - mine.mean(axis=(0, 1)), theirs - theirs.mean(axis=(0, 1))
    size = float(np.sqrt((mine**2).sum() * (theirs**2).sum()))
    return float((mine * theirs).sum()) / size if size else 0.0


def _halved(pixels: Float32Array) -> Float32Array:
    height, width = (side // 2 * 2 for side in pixels.shape[:2])
    blocks = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2, 3)
    halved: Float32Array = blocks.mean(axis=(1, 3), dtype=np.float32)
    return halved
