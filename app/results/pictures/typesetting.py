"""Text in pictures: fonts, line breaking, and blocks stacked into a page."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from PIL import Image, ImageDraw, ImageFont

Weight = Literal["Regular", "SemiBold"]
Colour = tuple[int, int, int]
INK: Final[Colour] = (28, 30, 36)
SOFT_INK: Final[Colour] = (84, 88, 98)
PAPER: Final[Colour] = (255, 255, 255)
_LINE_HEIGHT: Final = 1.4


@dataclass(frozen=True)
class TextStyle:
    """``size_px`` is the em size."""

    size_px: int
    weight: Weight = "Regular"
    colour: Colour = INK

    @property
    def font(self) -> ImageFont.FreeTypeFont:
        """The loaded font."""
        return _font(self.weight, self.size_px)

    @property
    def line_px(self) -> int:
        """Distance between lines."""
        return round(self.size_px * _LINE_HEIGHT)


@lru_cache(maxsize=32)
def _font(weight: Weight, size_px: int) -> ImageFont.FreeTypeFont:
    path = Path(__file__).parents[1] / "fonts" / f"Inter-{weight}.ttf"
    return ImageFont.truetype(str(path), size_px, layout_engine=ImageFont.Layout.BASIC)


def wrapped(text: str, style: TextStyle, width_px: int) -> list[str]:
    """``text`` broken at spaces into lines of at most ``width_px``; a word longer than that is broken inside."""
    lines = [""]
    for word in text.split():
        for piece in _pieces(word, style, width_px):
            longer = f"{lines[-1]} {piece}".strip()
            if style.font.getlength(longer) <= width_px:
                lines[-1] = longer
            else:
                lines.append(piece)
    return lines


def text_block(
    text: str, style: TextStyle, width_px: int, background: Colour = PAPER, padding_px: int = 0
) -> Image.Image:
    """``text`` set in lines on a block of ``width_px``, padding included."""
    lines = wrapped(text, style, width_px - 2 * padding_px)
    block = Image.new("RGB", (width_px, len(lines) * style.line_px + 2 * padding_px), background)
    draw = ImageDraw.Draw(block)
    for row, line in enumerate(lines):
        middle = padding_px + (row + 0.5) * style.line_px
        draw.text((padding_px, middle), line, fill=style.colour, font=style.font, anchor="lm")
    return block


def page(blocks: list[tuple[Image.Image, int]], width_px: int, margin_px: int) -> Image.Image:
    """Blocks one below the other, each followed by its gap in px, narrower ones centred, within a margin."""
    height = sum(block.height + gap for block, gap in blocks)
    sheet = Image.new("RGB", (width_px + 2 * margin_px, height + 2 * margin_px), PAPER)
    y = margin_px
    for block, gap in blocks:
        sheet.paste(block, (margin_px + (width_px - block.width) // 2, y))
        y += block.height + gap
    return sheet


def _pieces(word: str, style: TextStyle, width_px: int) -> list[str]:
    if style.font.getlength(word) <= width_px:
        return [word]
    pieces = [""]
    for letter in word:
        if pieces[-1] and style.font.getlength(pieces[-1] + letter) > width_px:
            pieces.append("")
        pieces[-1] += letter
    return pieces
