"""Tissue whose tiles are missing from the file. OpenSlide shows a missing tile as glass.

Scanners leave out tiles of glass. A tile is lost only if the thumbnail, which comes from a smaller image, shows tissue
in its place. Where OpenSlide shows glass in every image (Aperio), that cannot be told: the warning states the area.
"""

import numpy as np

from app.slides.formats import reader_sentences as sentences
from app.slides.formats.catalogue import format_of
from app.slides.formats.levels.level import choose_level
from app.slides.formats.levels.pyramid import missing_at
from app.slides.formats.opening import OpenedSlide
from app.slides.types import BoolArray, Level, ReadingPlan, UInt8Array
from app.warning import coded

_LOST_MIN = 0.2
"""Fraction of a missing tile that must be tissue; the tissue of a tile beside it may reach into it by a pixel."""
_STAINED_MAX = 235
"""Darkest channel of tissue, at most. Holes in tissue are glass, and brighter."""


def stored_tissue(
    opened: OpenedSlide, plan: ReadingPlan, thumbnail: UInt8Array, tissue: BoolArray
) -> tuple[BoolArray, tuple[str, ...]]:
    """The part of ``tissue`` (bool [h, w]) of which the file has the pixels to be analysed; a warning if some is lost.

    Raises SlideCorruptError, OSError.
    """
    info = opened.info
    px_mm2 = info.width * info.height * info.mpp_x * info.mpp_y * 1e-6 / tissue.size
    if format_of(info.vendor).fills_missing_tiles:
        missing = missing_at(opened.slide, opened.entry, info.levels[0], tissue.shape) >= 0
        area = np.count_nonzero(missing) * px_mm2
        return tissue, ((coded("part_left_out", sentences.AREA_NOT_STORED(area=area)),) if area else ())
    stained = tissue & (thumbnail.min(axis=2) < _STAINED_MAX)
    read = info.levels[choose_level(info, plan.tile_mpp, plan.level_tolerance)]
    if (lost := _lost(opened, read, stained)).any():
        area = np.count_nonzero(lost & tissue) * px_mm2
        return tissue & ~lost, (coded("part_left_out", sentences.TISSUE_LEFT_OUT(area=area)),)
    if (lost := _lost(opened, info.levels[0], stained)).any():
        area = np.count_nonzero(lost & tissue) * px_mm2
        return tissue, (coded("part_left_out", sentences.TISSUE_NOT_SHOWN(area=area)),)
    return tissue, ()


def _lost(opened: OpenedSlide, level: Level, stained: BoolArray) -> BoolArray:
    """bool [h, w]: the missing tiles of a level that show tissue elsewhere."""
    missing = missing_at(opened.slide, opened.entry, level, stained.shape)
    inside = missing >= 0
    if not inside.any():
        return inside
    sizes, tissue = np.bincount(missing[inside]), np.bincount(missing[inside & stained])
    is_lost = np.pad(tissue, (0, len(sizes) - len(tissue))) > _LOST_MIN * sizes
    return inside & is_lost[np.maximum(missing, 0)]
