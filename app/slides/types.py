"""What the slides room hands to others: small frozen records, units in the names.

Coordinates are level-0 pixels of the whole image, (x, y), top-left.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.slides.identity import DicomIdentity

MppSource = Literal["request", "file", "objective_power"]
ResampleFilter = Literal["lanczos", "box"]
DecoderScaling = Literal["none", "dct"]
Colour = Literal["profile", "none", "unusable"]
"""The slide's ICC profile was applied, there is none, or it cannot be used."""
COLOURS: tuple[Colour, ...] = ("profile", "none", "unusable")
UInt8Array = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]
Float32Array = NDArray[np.float32]
PEN, DARK = 1, 2
"""Values of a survey's ``artefacts``: ink; black borders, folds and dirt."""
SIDE_MAX_PX = 1_000_000
"""Longest side of a slide: beyond any scanner (1 m at 1 µm/px)."""


@dataclass(frozen=True)
class ReadingPlan:
    """How a model wants its tiles read (the manifest's ``reading``, ``tile_px``, ``mpp``, ``tissue_min``).

    ``level_tolerance``: how much coarser than ``tile_mpp`` the chosen level may be (0.0 = never, 0.06 = 6 %).
    ``decoder_scaling`` "dct": if that level is at least twice as fine as wanted, the decoder halves its JPEG tiles (or
    quarters them, or more). The filter does the rest.
    """

    tile_px: int = 224
    tile_mpp: float = 2.0
    tissue_min: float = 0.10
    resample_filter: ResampleFilter = "lanczos"
    level_tolerance: float = 0.0
    decoder_scaling: DecoderScaling = "none"


@dataclass(frozen=True)
class Extent:
    """A rectangle in level-0 px, not rounded."""

    x0: float
    y0: float
    width: float
    height: float


@dataclass(frozen=True)
class Bounds:
    """The scanner's non-empty region in level-0 px (``openslide.bounds-*``)."""

    x0: int
    y0: int
    width: int
    height: int


@dataclass(frozen=True)
class Level:
    """One level of the pyramid.

    ``number``: OpenSlide's, which counts other images too. ``width``, ``height``: the px that show the slide,
    without those that only fill up the last tiles. ``downsample``: level-0 px that make one px of it.
    """

    number: int
    width: int
    height: int
    downsample: float


@dataclass(frozen=True)
class SlideInfo:
    """What is known of a slide before a tile is read.

    ``mpp`` is the mean of ``mpp_x`` and ``mpp_y`` in µm/px at level 0. ``background`` is RGB, 0 to 255.
    ``levels``: finest first; the first is the entire slide.
    ``mpp_file``: what the file itself says (or its objective power), whatever was used; None if nothing usable.
    ``identity``: identifiers of a DICOM slide. ``barcode``: the label's, if the vendor has a field for it.
    """

    vendor: str
    width: int
    height: int
    mpp: float
    mpp_x: float
    mpp_y: float
    mpp_source: MppSource
    objective_power: float | None
    levels: tuple[Level, ...]
    background: tuple[int, int, int]
    bounds: Bounds | None
    mpp_file: float | None = None
    identity: DicomIdentity | None = None
    barcode: str | None = None


@dataclass(frozen=True)
class SlideQc:
    """Quality figures, each a fraction of 0 to 1.

    ``pen_fraction``: pen ink over the slide's whole area; ``dark_fraction``: black borders, folds and dirt over
    the whole area; ``out_of_focus_fraction``: of the tissue looked at for it.
    ``stain_he``: whether the tissue's colours are those of H&E; None where too little tissue tells.
    Stain and focus are judged once the tiles were read, and None before.
    ``sharpness``: (row of the survey's coords, ``app.slides.tissue.sharpness``) of each tile that was judged for focus.
    """

    pen_fraction: float
    dark_fraction: float
    out_of_focus_fraction: float | None
    stain_he: bool | None
    sharpness: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Survey:
    """A slide seen from afar: what to read and how good it looks.

    - thumbnail: uint8 [h, w, 3] RGB of the entire level-0 extent.
    - tissue_mask: bool [h, w], same frame as the thumbnail.
    - artefacts: uint8 [h, w], same frame: ``PEN``, ``DARK`` or 0.
    - coords: int64 [N, 2], level-0 (x, y) of each kept tile, in reading order.
    - tissue_fractions: float32 [N], 0 to 1.
    - tile_size0: side of a tile in level-0 px, not rounded (448 µm / mpp for the default plan).
    - grid_columns, grid_rows: extent of the full grid, kept or not.
    - warnings: for the result, as ``app.warning.coded`` makes them.
    """

    thumbnail: UInt8Array
    tissue_mask: BoolArray
    artefacts: UInt8Array
    coords: Int64Array
    tissue_fractions: Float32Array
    tile_size0: float
    grid_columns: int
    grid_rows: int
    tissue_area_mm2: float
    qc: SlideQc
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class TileBatch:
    """Tiles ``start`` to ``start + len(tiles)`` of ``Survey.coords``: uint8 [n, tile_px, tile_px, 3] RGB.

    ``tiles`` is a view of shared memory: valid as long as ``SlideReader.tiles`` says.
    """

    start: int
    tiles: UInt8Array
