"""The legend's two scales: colours with percentiles and numbers, and the length bar."""

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from app.results.heads import Quantity, TileValues
from app.results.percentile import value_at
from app.results.pictures.colour_map import LOOKUP_TABLE
from app.results.pictures.overlay import shade
from app.results.pictures.scale_bar import ScaleBar
from app.results.pictures.typesetting import INK, PAPER, SOFT_INK, TextStyle
from app.results.slide_result import TISSUE_MIN_SHOWN, TileMaps
from app.slides.types import BoolArray

TICKS: Final = (0, 25, 50, 75, 100)
PERCENTILE_ROW: Final = "Percentile in this slide"
VALUE_ROWS: Final[dict[Quantity, str]] = {"attention": "Share of attention", "tile_scores": "Tile score"}


def figure(quantity: Quantity, value: float) -> str:
    """A tile's number in words: attention (0 to 1) as a share, a score as it is, with three significant digits."""
    return f"{100 * value:.3g} %" if quantity == "attention" else f"{value:.3g}"


def figures_sentence(tiles: TileValues, maps: TileMaps) -> str:
    """What the scale cannot show: the even share of attention, without which ranks make small differences look
    large, and how many tiles have no rank.
    """
    total = len(tiles.values)
    even = f"An even share would be {figure('attention', 1 / total)} (tiles: {total})."
    sentences = [even] if tiles.quantity == "attention" else []
    least = f"{100 * TISSUE_MIN_SHOWN:.0f} %"
    without = total - int(maps.has_rank.sum())
    if without == total:
        sentences.append(f"No tile has {least} tissue, so no tile has a colour or a rank.")
    elif without:
        have = "has" if without == 1 else "have"
        sentences.append(f"{without} of {total} tiles {have} less than {least} tissue and no colour or rank.")
    return " ".join(sentences)


def ticks(tiles: TileValues, has_rank: BoolArray) -> list[tuple[int, float]]:
    """(percentile, value) for each tick of the colour scale, of the tiles with a rank; empty where there are none."""
    ranked = tiles.values[has_rank]
    return [(tick, value_at(ranked, tick)) for tick in TICKS] if len(ranked) else []


def tick_labels(tiles: TileValues, has_rank: BoolArray) -> list[tuple[str, str]]:
    """The same in words."""
    return [(f"{tick}", figure(tiles.quantity, value)) for tick, value in ticks(tiles, has_rank)]


def colour_scale_block(
    tiles: TileValues, has_rank: BoolArray, grey_level: int, width_px: int, text_px: int
) -> Image.Image:
    """Horizontal colour bar with percentiles above and the tiles' numbers below.

    ``grey_level`` is the mean grey of the tissue under the tiles, so that the bar shows the colours as painted.
    """
    style, name_style = TextStyle(text_px), TextStyle(text_px, colour=SOFT_INK)
    names = (PERCENTILE_ROW, VALUE_ROWS[tiles.quantity])
    name_px = round(max(name_style.font.getlength(name) for name in names) + 3 * text_px)
    bar_px, bar_height = width_px - name_px - 3 * text_px, round(1.1 * text_px)
    bar_top = style.line_px
    block = Image.new("RGB", (width_px, bar_top + bar_height + style.line_px + text_px // 4), PAPER)
    draw = ImageDraw.Draw(block)

    ramp = shade(LOOKUP_TABLE, grey_level)
    columns = np.linspace(0, len(ramp) - 1, bar_px).round().astype(np.intp)
    block.paste(Image.fromarray(np.repeat(ramp[columns][None], bar_height, axis=0)), (name_px, bar_top))

    upper, lower = style.line_px // 2, bar_top + bar_height + text_px // 4 + style.line_px // 2
    draw.text((0, upper), names[0], fill=name_style.colour, font=name_style.font, anchor="lm")
    draw.text((0, lower), names[1], fill=name_style.colour, font=name_style.font, anchor="lm")
    for tick, (percentile, raw) in zip(TICKS, tick_labels(tiles, has_rank), strict=True):
        x = name_px + round(tick / 100 * (bar_px - 1))
        draw.line((x, bar_top, x, bar_top + bar_height - 1), fill=PAPER, width=max(1, text_px // 16))
        draw.text((x, upper), percentile, fill=INK, font=style.font, anchor="mm")
        draw.text((x, lower), raw, fill=INK, font=style.font, anchor="mm")
    return block


def scale_bar_block(bar: ScaleBar, width_px: int, text_px: int) -> Image.Image:
    """The bar with its length beside it, at the block's left."""
    style = TextStyle(text_px, "SemiBold")
    block = Image.new("RGB", (width_px, style.line_px), PAPER)
    draw = ImageDraw.Draw(block)
    thick = max(3, text_px // 4)
    top = (style.line_px - thick) // 2
    draw.rectangle((0, top, bar.length_px - 1, top + thick - 1), fill=INK)
    draw.text((bar.length_px + text_px // 2, style.line_px / 2), bar.label, fill=INK, font=style.font, anchor="lm")
    return block
