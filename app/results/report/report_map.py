"""The report's picture: thumbnail, map, tissue outline, the top tiles framed and numbered, and a scale bar."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from app.results.heads import shown_map
from app.results.pictures.heatmap import fitted, framed
from app.results.pictures.overlay import draw_tissue_outline, grey_under, paint, ranked_index
from app.results.pictures.scale_bar import scale_bar
from app.results.pictures.scales import scale_bar_block
from app.results.pictures.tile_frame import tile_corners
from app.results.pictures.typesetting import INK, PAPER, TextStyle
from app.results.slide_result import TileMaps
from app.slides.types import BoolArray, UInt8Array

_MARKED: Final = 10


@dataclass(frozen=True)
class ReportMap:
    """``tissue_grey``: mean grey (0 to 255) under the tiles, over which the scale's colours are painted."""

    picture: Image.Image
    tissue_grey: int


def draw_report_map(maps: TileMaps, thumbnail: UInt8Array, tissue_mask: BoolArray) -> ReportMap:
    """The first prediction's picture. thumbnail: uint8 [h, w, 3] of the whole level-0 extent; the mask likewise."""
    base = fitted(thumbnail)
    size = (base.shape[1], base.shape[0])
    tiles = shown_map(maps).tiles
    grey, painted = 255, base
    if tiles is not None:
        index = ranked_index(maps, size)
        grey, painted = grey_under(base, index), paint(base, index, tiles.values[maps.has_rank])
    picture = framed(draw_tissue_outline(painted, tissue_mask))
    _mark_top_tiles(picture, maps)
    return ReportMap(_with_scale_bar(picture, maps), grey)


def _with_scale_bar(picture: Image.Image, maps: TileMaps) -> Image.Image:
    """The bar below the picture, where it hides nothing; a narrow picture leaves room for the bar's label."""
    slide, text_px = maps.document.slide, max(picture.size) // 40
    bar = scale_bar(slide.mpp_x * slide.width_px / picture.width, longest_px=picture.width / 4)
    block = scale_bar_block(bar, max(picture.width, bar.length_px + 6 * text_px), text_px)
    sheet = Image.new("RGB", (block.width, picture.height + block.height), PAPER)
    sheet.paste(picture, (0, 0))
    sheet.paste(block, (0, picture.height))
    return sheet


def _mark_top_tiles(picture: Image.Image, maps: TileMaps) -> None:
    """A frame and its rank for each; the first is drawn last, so that it lies on top."""
    document = maps.document
    tops = [top for top in document.top_tiles if top.task == document.predictions[0].task][:_MARKED]
    if not tops:
        return
    corners = tile_corners(maps.coords[[top.index for top in tops]], document.tiling.tile_size0_px)
    slide = document.slide
    scale = np.tile([picture.width / slide.width_px, picture.height / slide.height_px], 2)
    line = max(1, round(max(picture.size) / 700))
    style = TextStyle(max(12, round(max(picture.size) / 62)), "SemiBold")
    draw = ImageDraw.Draw(picture)
    for top, square in reversed(list(zip(tops, corners * scale, strict=True))):
        x0, y0, x1, y1 = (round(float(value)) for value in square)
        draw.rectangle((x0, y0, x1, y1), outline=PAPER, width=2 * line)
        draw.rectangle((x0, y0, x1, y1), outline=INK, width=line)
        side = (round(style.font.getlength(f"{top.rank}")) + style.size_px // 2, round(1.25 * style.size_px))
        draw.rectangle((x0, y0, x0 + side[0], y0 + side[1]), fill=INK)
        draw.text((x0 + side[0] / 2, y0 + side[1] / 2), f"{top.rank}", fill=PAPER, font=style.font, anchor="mm")
