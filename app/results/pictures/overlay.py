"""A map of tiles painted over the slide: blended into the thumbnail, or alone as a transparent layer."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from app.results.heads import shown_map
from app.results.percentile import percentiles
from app.results.pictures.colour_map import DEFAULT_PALETTE, Palette, colours
from app.results.pictures.tile_frame import TileIndex, tile_index
from app.results.slide_result import SlideResult, TileMaps
from app.slides.tissue.box_filter import strips
from app.slides.types import BoolArray, Float32Array, UInt8Array

OPACITY: Final = 150
"""Of a tile's colour over the tissue, of 255: strong enough to rank tiles, weak enough to see glands."""
_EDGE_BRIGHTNESS: Final = 0.84
_EDGE_FROM_TILE_PX: Final = 12
_OUTLINE_RGB: Final = (52, 46, 74)
_OUTLINE_OPACITY: Final = 0.6
_OUTLINE_SMOOTHING: Final = 300
_WHOLLY: Final = [0, *[255] * 255]
"""What is covered at all is covered wholly."""


def render_overlay_layer(result: SlideResult, task: str | None = None, label: str | None = None) -> Image.Image:
    """RGBA layer over the whole level-0 extent, in the tissue mask's size and without margins.

    Tiles carry the colour of their percentile at one opacity. Glass and everything else is fully transparent. For a
    head without a map the entire layer is. Raises TaskNotFoundError for an unknown task or class.
    """
    height, width = result.tissue_mask.shape
    tiles = shown_map(result, task, label).tiles
    if tiles is None:
        return Image.new("RGBA", (width, height), (0, 0, 0, 0))
    return scale_layer(ranked_index(result, (width, height)), percentiles(tiles.values[result.has_rank]))


def index_for(result: TileMaps, picture_size: tuple[int, int]) -> TileIndex:
    """The result's tiles in a picture of (width, height) that shows the whole slide."""
    slide = result.document.slide
    tile_size0 = result.document.tiling.tile_size0_px
    return tile_index(result.coords, tile_size0, (slide.width_px, slide.height_px), picture_size)


def ranked_index(result: TileMaps, picture_size: tuple[int, int]) -> TileIndex:
    """The same for the ranked tiles only, renumbered."""
    slide = result.document.slide
    tile_size0 = result.document.tiling.tile_size0_px
    return tile_index(result.coords[result.has_rank], tile_size0, (slide.width_px, slide.height_px), picture_size)


def scale_layer(
    index: TileIndex, places: Float32Array, palette: Palette = DEFAULT_PALETTE, opacity: int = OPACITY
) -> Image.Image:
    """RGBA of ``index``'s size: each tile in the colour of its place (float32 [N], 0 to 100), transparent elsewhere.

    ``opacity`` of a tile, 0 to 255.
    """
    return _layer(index, _table(places, palette, opacity))


def _table(places: Float32Array, palette: Palette, opacity: int) -> UInt8Array:
    """RGBA of each tile and, last, of pixels of no tile: uint8 [N + 1, 4]."""
    table = np.zeros((len(places) + 1, 4), dtype=np.uint8)
    table[:-1, :3] = colours(places, palette)
    table[:-1, 3] = opacity
    return table


def _layer(index: TileIndex, table: UInt8Array) -> Image.Image:
    pixels = index.spread(table.view(np.uint32)[:, 0])
    return Image.fromarray(pixels.view(np.uint8).reshape(*pixels.shape, 4))


def paint(picture: UInt8Array, index: TileIndex, values: Float32Array) -> UInt8Array:
    """``picture`` (uint8 [h, w, 3]) with its tiles in colour over their own grey; pixels outside tiles unchanged.
    ``values``: float32 [N], of the tiles of ``index``.

    Tissue under a tile loses its hue, so that pink and purple cannot be taken for a colour of the scale.
    """
    table = _table(percentiles(values), DEFAULT_PALETTE, OPACITY)
    painted = np.empty_like(picture)
    for rows in strips(len(picture)):
        part, layer = Image.fromarray(picture[rows]), _layer(index.part(rows), table)
        alpha = layer.getchannel("A")
        part.paste(part.convert("L").convert("RGB"), mask=alpha.point(_WHOLLY))
        part.paste(layer.convert("RGB"), mask=alpha)
        painted[rows] = np.asarray(part)
    return _with_tile_edges(painted, index)


def grey_under(picture: UInt8Array, index: TileIndex) -> int:
    """Mean grey (0 to 255) of the pixels of ``picture`` (uint8 [h, w, 3]) that belong to a tile; 255 if none does."""
    total = count = 0
    for rows in strips(len(picture)):
        under = np.asarray(Image.fromarray(picture[rows]).convert("L"))[index.part(rows).inside()]
        total, count = total + int(under.sum(dtype=np.int64)), count + under.size
    return round(total / count) if count else 255


def shade(colour: UInt8Array, grey: int) -> UInt8Array:
    """Colour uint8 [n, 3] as it looks when laid over ``grey`` (0 to 255) at the overlay's opacity."""
    share = OPACITY / 255
    shaded: UInt8Array = np.rint(colour * share + grey * (1 - share)).astype(np.uint8)
    return shaded


def draw_tissue_outline(picture: UInt8Array, tissue_mask: BoolArray) -> UInt8Array:
    """``picture`` with a thin half-transparent line around the tissue; the mask may be of another size.

    The line is smoothed over 1/300 of the picture, so that it follows pieces of tissue and not every gland.
    """
    height, width = picture.shape[:2]
    mask = Image.fromarray(tissue_mask.view(np.uint8) * np.uint8(255)).resize((width, height), Image.Resampling.NEAREST)
    smooth = mask.filter(ImageFilter.BoxBlur(max(width, height) / _OUTLINE_SMOOTHING))
    edge = _boundary(np.asarray(smooth) > 127)
    outlined = picture.copy()
    line = np.array(_OUTLINE_RGB) * _OUTLINE_OPACITY
    pixels, where = outlined.reshape(-1, 3), np.flatnonzero(edge)
    pixels[where] = np.rint(pixels[where] * (1 - _OUTLINE_OPACITY) + line).astype(np.uint8)
    return outlined


def _with_tile_edges(picture: UInt8Array, index: TileIndex) -> UInt8Array:
    """A hairline between tiles, left out where tiles are so small that the lines would be all one sees."""
    edge = index.edges()
    if np.count_nonzero(edge) * _EDGE_FROM_TILE_PX < 2 * np.count_nonzero(index.inside()):
        pixels, where = picture.reshape(-1, 3), np.flatnonzero(edge)
        pixels[where] = (pixels[where] * _EDGE_BRIGHTNESS).astype(np.uint8)
    return picture


def _boundary(labels: NDArray[np.generic]) -> BoolArray:
    """Pixels whose right or lower neighbour is labelled otherwise."""
    edge = np.zeros(labels.shape, dtype=np.bool_)
    edge[:, :-1] = labels[:, 1:] != labels[:, :-1]
    edge[:-1] |= labels[1:] != labels[:-1]
    return edge
