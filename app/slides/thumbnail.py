"""The slide from afar: 8 µm/px, read in blocks so that no level has to fit into memory."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from app.slides.level import ENLARGEMENT_MAX, coarsest_level
from app.slides.opening import OpenedSlide
from app.slides.render import resample
from app.slides.thumbnail_size import thumbnail_size
from app.slides.types import Extent, SlideInfo, UInt8Array

_BLOCK_LEVEL_PX = 2048
_THREADS = 2
"""OpenSlide decodes side by side; nothing else of a job can be done before its tissue is found."""
_FOOT = 1
"""Half-width of the filter in output px. HAMMING: as sharp as BOX without its uneven steps at ratios like 1.9."""


def thumbnail_mpp(info: SlideInfo, size: tuple[int, int]) -> float:
    """µm/px of a thumbnail of ``size`` (width, height), mean of both axes."""
    return info.mpp * math.sqrt(info.width / size[0] * info.height / size[1])


def render_thumbnail(opened: OpenedSlide) -> UInt8Array:
    """uint8 [h, w, 3] RGB of the whole level-0 extent. Raises SlideCorruptError where it cannot be decoded.

    A level up to 6 % too coarse will do: that of a 20x scan has 8.0 to 8.4 µm/px, the next holds 16 times the pixels.
    """
    info = opened.info
    size = thumbnail_size(info.width, info.height, info.mpp)
    level = coarsest_level(info, thumbnail_mpp(info, size) * (1 + ENLARGEMENT_MAX))
    scale_x, scale_y = info.width / size[0], info.height / size[1]
    ratio = max(scale_x, scale_y) / info.level_downsamples[level]
    block = max(1, int(_BLOCK_LEVEL_PX / ratio))
    margin_px = math.ceil(_FOOT * ratio) + 1
    out = np.empty((size[1], size[0], 3), np.uint8)

    def draw(corner: tuple[int, int]) -> None:
        left, top = corner
        right, bottom = min(left + block, size[0]), min(top + block, size[1])
        extent = Extent(left * scale_x, top * scale_y, (right - left) * scale_x, (bottom - top) * scale_y)
        part_size = (right - left, bottom - top)
        part = resample(opened, level, extent, part_size, how=Image.Resampling.HAMMING, margin_px=margin_px)
        out[top:bottom, left:right] = part

    corners = [(left, top) for top in range(0, size[1], block) for left in range(0, size[0], block)]
    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(draw, corners):
            pass
    return out
