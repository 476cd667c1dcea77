"""heatmap.png: the map that opens first over the thumbnail, with its legend, on one page."""

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from app.results import wording
from app.results.heads import ShownMap, shown_map
from app.results.pictures.overlay import draw_tissue_outline, grey_under, paint, ranked_index
from app.results.pictures.scale_bar import scale_bar
from app.results.pictures.scales import colour_scale_block, figures_sentence, scale_bar_block
from app.results.pictures.typesetting import SOFT_INK, Colour, TextStyle, page, text_block
from app.results.schema import PredictionPart, ResultDocument, Standing
from app.results.slide_result import SlideResult
from app.slides.types import UInt8Array

MIN_PICTURE_PX: Final = 1000
"""The longer side of the slide on the page at least: smaller thumbnails are enlarged to it."""
MIN_PAGE_PX: Final = 1000
_TEXT_PX: Final = (16, 28)
_WIDE_LETTERS: Final = 76
_FRAME: Final[Colour] = (216, 219, 224)
_STANDING_COLOURS: Final[dict[Standing, tuple[Colour, Colour]]] = {
    "untrained": ((253, 236, 234), (140, 28, 19)),
    "not_validated": ((255, 244, 224), (122, 75, 0)),
    "validated": ((241, 243, 245), (52, 58, 66)),
}
"""Background and ink."""


def render_heatmap(result: SlideResult, task: str | None = None) -> Image.Image:
    """The picture of one task: RGB, thumbnail in the middle, title above and legend below.

    Which class's, where the map is per class: see ``heads.opening_class``. The slide keeps its thumbnail's size unless
    its longer side is below MIN_PICTURE_PX. Raises TaskNotFoundError.
    """
    shown = shown_map(result, task)
    picture = fitted(result.thumbnail)
    painted, tissue_grey = _painted(result, shown, picture)
    width_px = max(MIN_PAGE_PX, painted.shape[1])
    text_px = int(np.clip(width_px / _WIDE_LETTERS, *_TEXT_PX))
    gap = text_px

    blocks = [
        (text_block(wording.map_title(shown), _title_style(text_px), width_px), gap // 4),
        (text_block(wording.map_legend(shown), _soft(text_px), width_px), gap),
        (framed(painted), gap // 2),
        (_length_block(result, painted.shape[1], width_px, text_px), gap),
    ]
    if shown.tiles is not None:
        if result.has_rank.any():
            blocks.append((colour_scale_block(shown.tiles, result.has_rank, tissue_grey, width_px, text_px), gap // 4))
        blocks.append((text_block(figures_sentence(shown.tiles, result), _soft(text_px), width_px), gap))
    blocks.append((_state_block(shown.prediction, result.document, width_px, text_px), gap // 2))
    blocks.append((text_block(wording.origin_sentence(result.document), _soft(round(text_px * 0.85)), width_px), 0))
    return page(blocks, width_px, margin_px=2 * text_px)


def heatmap_description(result: SlideResult, task: str | None = None) -> str:
    """The picture's sentences as plain text, for the PNG's description and for those who cannot see it."""
    shown = shown_map(result, task)
    sentences = [
        wording.map_title(shown) + ".",
        wording.map_legend(shown),
        None if shown.tiles is None else figures_sentence(shown.tiles, result),
        wording.state_sentence(shown.prediction),
        wording.domain_sentence(shown.prediction, result.document),
        wording.origin_sentence(result.document),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def fitted(thumbnail: UInt8Array) -> UInt8Array:
    """The thumbnail, enlarged where its longer side is below MIN_PICTURE_PX."""
    height, width = thumbnail.shape[:2]
    factor = MIN_PICTURE_PX / max(height, width)
    if factor <= 1:
        return thumbnail
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(thumbnail).resize(size, Image.Resampling.BICUBIC))


def _painted(result: SlideResult, shown: ShownMap, picture: UInt8Array) -> tuple[UInt8Array, int]:
    """The picture with map and outline, and the mean grey of what lies under the tiles."""
    if shown.tiles is None:
        return draw_tissue_outline(picture, result.tissue_mask), 255
    index = ranked_index(result, (picture.shape[1], picture.shape[0]))
    painted = paint(picture, index, shown.tiles.values[result.has_rank])
    return draw_tissue_outline(painted, result.tissue_mask), grey_under(picture, index)


def framed(painted: UInt8Array) -> Image.Image:
    """The picture with a hairline around it: glass is as white as the page."""
    picture = Image.fromarray(painted)
    ImageDraw.Draw(picture).rectangle((0, 0, picture.width - 1, picture.height - 1), outline=_FRAME)
    return picture


def _length_block(result: SlideResult, picture_px: int, width_px: int, text_px: int) -> Image.Image:
    slide = result.document.slide
    bar = scale_bar(slide.mpp_x * slide.width_px / picture_px, longest_px=picture_px / 4)
    return scale_bar_block(bar, width_px, text_px)


def _state_block(prediction: PredictionPart, document: ResultDocument, width_px: int, text_px: int) -> Image.Image:
    sentences = [wording.state_sentence(prediction), wording.domain_sentence(prediction, document)]
    text = " ".join(sentence for sentence in sentences if sentence)
    background, ink = _STANDING_COLOURS[prediction.standing]
    return text_block(text, TextStyle(text_px, "SemiBold", ink), width_px, background, padding_px=round(0.7 * text_px))


def _title_style(text_px: int) -> TextStyle:
    return TextStyle(round(text_px * 1.6), "SemiBold")


def _soft(size_px: int) -> TextStyle:
    return TextStyle(size_px, colour=SOFT_INK)
