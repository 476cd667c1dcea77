"""From an open slide to the list of tiles to read: thumbnail, masks, grid."""

import numpy as np

from app.slides.formats.colours.bright_field import refuse_no_bright_field
from app.slides.formats.opening import OpenedSlide
from app.slides.tiles.grid import grid_for, select_tiles, tissue_fractions
from app.slides.tiles.stored_tissue import stored_tissue
from app.slides.tiles.thumbnail import render_thumbnail, thumbnail_mpp
from app.slides.tissue.tissue import find_tissue
from app.slides.types import DARK, PEN, BoolArray, ReadingPlan, SlideQc, Survey, UInt8Array


def survey_slide(opened: OpenedSlide, plan: ReadingPlan, thumbnail: UInt8Array | None = None) -> Survey:
    """Where the tissue is and which tiles hold it; no coords when there is none (the caller decides what then).

    All wait for it: stain and focus are judged later. ``thumbnail``: where to draw it, if not in memory of its own.
    Raises SlideCorruptError if the thumbnail cannot be read, SlideUnsupportedError if it is not bright field.
    """
    info = opened.info
    thumbnail = render_thumbnail(opened, thumbnail)
    refuse_no_bright_field(thumbnail)
    mpp = thumbnail_mpp(info, (thumbnail.shape[1], thumbnail.shape[0]))
    masks = find_tissue(thumbnail, mpp)
    tissue, left_out = stored_tissue(opened, plan, thumbnail, masks.tissue)
    grid = grid_for(info, plan)
    chosen = select_tiles(tissue_fractions(tissue, info.width, info.height, grid), plan.tissue_min)
    return Survey(
        thumbnail=thumbnail,
        tissue_mask=tissue,
        artefacts=masks.pen * np.uint8(PEN) + masks.dark * np.uint8(DARK),  # disjoint
        coords=grid.coords(chosen.indices),
        tissue_fractions=chosen.fractions,
        tile_size0=grid.tile_size0,
        grid_columns=len(grid.x0),
        grid_rows=len(grid.y0),
        tissue_area_mm2=float(_share(tissue) * info.width * info.height * info.mpp_x * info.mpp_y * 1e-6),
        qc=SlideQc(
            pen_fraction=_share(masks.pen),
            dark_fraction=_share(masks.dark),
            out_of_focus_fraction=None,
            stain_he=None,
        ),
        warnings=opened.warnings + left_out + chosen.warnings,
    )


def _share(mask: BoolArray) -> float:
    return float(np.count_nonzero(mask) / mask.size)
