"""The legend's two scales: colours with percentiles and shares of attention, and the length bar."""

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from app.results.colour_map import LOOKUP_TABLE
from app.results.overlay import shade
from app.results.percentile import attention_at
from app.results.scale_bar import ScaleBar
from app.results.typesetting import INK, PAPER, SOFT_INK, TextStyle
from app.slides.types import Float32Array

TICKS: Final = (0, 25, 50, 75, 100)
ROW_NAMES: Final = ("Percentile in this slide", "Share of attention")


def attention_share(weight: float) -> str:
    """A raw attention weight, 0 to 1, as a percentage of three significant digits: of many tiles each has little."""
    return f"{100 * weight:.3g} %"


def even_share(attention: Float32Array) -> str:
    """What each tile would have if all counted alike: without it, ranks make small differences look large."""
    return f"An even share would be {attention_share(1 / len(attention))} (tiles: {len(attention)})."


def tick_labels(attention: Float32Array) -> list[tuple[str, str]]:
    """(percentile, share of attention) in words, for each tick of the colour scale."""
    return [(f"{tick}", attention_share(attention_at(attention, tick))) for tick in TICKS]


def colour_scale_block(attention: Float32Array, grey_level: int, width_px: int, text_px: int) -> Image.Image:
    """Horizontal colour bar with percentiles above and shares of attention below.

    ``grey_level`` is the mean grey of the tissue under the tiles, so that the bar shows the colours as painted.
    """
    style, name_style = TextStyle(text_px), TextStyle(text_px, colour=SOFT_INK)
    name_px = round(max(name_style.font.getlength(name) for name in ROW_NAMES) + 3 * text_px)
    bar_px, bar_height = width_px - name_px - 3 * text_px, round(1.1 * text_px)
    bar_top = style.line_px
    block = Image.new("RGB", (width_px, bar_top + bar_height + style.line_px + text_px // 4), PAPER)
    draw = ImageDraw.Draw(block)

    ramp = shade(LOOKUP_TABLE, grey_level)
    columns = np.linspace(0, len(ramp) - 1, bar_px).round().astype(np.intp)
    block.paste(Image.fromarray(np.repeat(ramp[columns][None], bar_height, axis=0)), (name_px, bar_top))

    upper, lower = style.line_px // 2, bar_top + bar_height + text_px // 4 + style.line_px // 2
    draw.text((0, upper), ROW_NAMES[0], fill=name_style.colour, font=name_style.font, anchor="lm")
    draw.text((0, lower), ROW_NAMES[1], fill=name_style.colour, font=name_style.font, anchor="lm")
    for tick, (percentile, raw) in zip(TICKS, tick_labels(attention), strict=True):
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
