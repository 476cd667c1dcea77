"""Makes the slides that the benchmarks run on, out of the real tissue of any 40x slide.

The pieces of tissue of the given slides are laid out, mirrored in turn, on sheets of 80,000 × 64,000 px and written as
JPEG pyramids (levels 1, 4, 16, made by averaging); the 20x sheet is the 40x one averaged 2 × 2. A piece is cut out with
the glass around it, so that tissue and glass are pixels of the scanner, compressed a second time; the glass in between
has the source's median colour. What exists already is kept.
Usage: python benchmarks/make_slides.py [SLIDE ...] [--out benchmarks/.slides]
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image
from sheet import MASK_PX, Piece, Placed, find_pieces, fullest_window, lay_out
from tiff_pyramid import BLOCK_PX, write_pyramid

from app.slides.formats.opening import open_slide
from app.slides.tiles.survey import survey_slide
from app.slides.types import ReadingPlan

UInt8Array = NDArray[np.uint8]
ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / ".slides"
SHEET_PX = (80_000, 64_000)
QUALITY = 75
# Where the tests look for real slides too.
_DEFAULT = (
    Path(os.environ.get("XMAG_TEST_DATA", ROOT.parent.parent / "shared" / "data")) / "slides/dev_lusc_he3_40x.svs"
)
MPP_40X_MAX = 0.30
MPP_APART_MAX = 0.02
TILE_UM = 448


@dataclass(frozen=True)
class Wanted:
    """``tiles``: 5x tiles with tissue; ``reduce``: 1 for 40x, 2 for 20x."""

    name: str
    tiles: int
    reduce: int = 1


MAIN, MAIN_20X, START = Wanted("sheet_40x_844", 844), Wanted("sheet_20x_844", 844, 2), Wanted("start_40x_3", 3)
AREAS = (Wanted("sheet_40x_105", 105), Wanted("sheet_40x_211", 211), Wanted("sheet_40x_422", 422), MAIN)
ALL = (START, *AREAS, MAIN_20X)


@dataclass(frozen=True)
class Tissue:
    """What the sheets are made of: paths, µm/px, the glass's colour, and the pieces."""

    paths: list[Path]
    mpp: float
    glass: tuple[int, int, int]
    pieces: list[Piece]
    window: Piece


def find_tissue(paths: list[Path]) -> Tissue:
    """ValueError if a slide is no 40x scan, or the slides differ in resolution."""
    pieces, mpps = [], []
    for number, path in enumerate(paths):
        with open_slide(path) as opened:
            info, survey = opened.info, survey_slide(opened, ReadingPlan())
        if info.mpp > MPP_40X_MAX:
            raise ValueError(f"{path} has {info.mpp} µm/px: only a 40x scan (at most {MPP_40X_MAX}) will do")
        mpps.append(info.mpp)
        size = info.width // MASK_PX, info.height // MASK_PX
        mask = np.asarray(Image.fromarray(survey.tissue_mask.view(np.uint8)).resize(size, Image.Resampling.NEAREST)) > 0
        pieces += find_pieces(mask, number)
        if number == 0:
            clear = survey.thumbnail[~survey.tissue_mask]
            red, green, blue = (int(value) for value in np.median(clear, axis=0))
            tile = round(TILE_UM / info.mpp)
            window = fullest_window(mask, 3 * tile // MASK_PX, tile // MASK_PX)
    if max(mpps) > min(mpps) * (1 + MPP_APART_MAX):
        raise ValueError(f"the slides' resolutions differ: {mpps}")
    return Tissue(paths, mpps[0], (red, green, blue), sorted(pieces, key=lambda piece: -piece.mask.shape[0]), window)


class Pieces:
    """The pieces' pixels, each read once."""

    def __init__(self, tissue: Tissue) -> None:
        self._tissue = tissue
        self._pixels: dict[int, UInt8Array] = {}

    def pixels(self, piece: Piece) -> UInt8Array:
        """uint8 [h, w, 3], level-0 px."""
        if id(piece) not in self._pixels:
            height, width = (side * MASK_PX for side in piece.mask.shape)
            with openslide.OpenSlide(self._tissue.paths[piece.source]) as slide:
                region = slide.read_region((piece.x * MASK_PX, piece.y * MASK_PX), 0, (width, height))
            self._pixels[id(piece)] = np.asarray(region.convert("RGB"))
        return self._pixels[id(piece)]

    def block(self, placed: list[Placed], x0: int, y0: int, side: int) -> UInt8Array | None:
        """A square of the sheet at 40x: uint8 [side, side, 3]; None where no piece lies."""
        found = None
        for place in placed:
            left, top = place.x * MASK_PX, place.y * MASK_PX
            height, width = (extent * MASK_PX for extent in place.piece.mask.shape)
            x, right = max(left, x0), min(left + width, x0 + side)
            y, bottom = max(top, y0), min(top + height, y0 + side)
            if x >= right or y >= bottom:
                continue
            if found is None:
                found = np.full((side, side, 3), self._tissue.glass, np.uint8)
            pixels = place.turned(self.pixels(place.piece))
            found[y - y0 : bottom - y0, x - x0 : right - x0] = pixels[y - top : bottom - top, x - left : right - left]
        return found


def make(wanted: Wanted, tissue: Tissue, pieces: Pieces, path: Path) -> None:
    """One sheet."""
    size, placed = SHEET_PX, []
    if wanted is START:
        height, width = (side * MASK_PX for side in tissue.window.mask.shape)
        size, placed = (width, height), [Placed(tissue.window, 0, 0, (False, False))]
    else:
        placed = lay_out(tissue.pieces, size, tissue.mpp, wanted.tiles)
    size = size[0] // wanted.reduce, size[1] // wanted.reduce
    mpp = tissue.mpp * wanted.reduce

    def block(x0: int, y0: int) -> UInt8Array | None:
        found = pieces.block(placed, x0 * wanted.reduce, y0 * wanted.reduce, BLOCK_PX * wanted.reduce)
        return (
            found if found is None or wanted.reduce == 1 else np.asarray(Image.fromarray(found).reduce(wanted.reduce))
        )

    description = (
        f"Aperio Image Library (benchmark sheet, made by xmag-serve)\n{size[0]}x{size[1]} (256x256) JPEG/YCC "
        f"Q={QUALITY}|AppMag = {40 // wanted.reduce}|MPP = {mpp:.4f}"
    )
    write_pyramid(path, size, block, glass=tissue.glass, description=description, quality=QUALITY)


def slide_path(wanted: Wanted, folder: Path = FOLDER) -> Path:
    return folder / f"{wanted.name}.svs"


def make_slides(named: list[Path], folder: Path = FOLDER) -> list[str]:
    """All that are missing; names of the slides that they are made of. Ends the program where these cannot be told."""
    sources = named or [_DEFAULT]
    record = folder / "made_of"
    names = [path.name for path in sources]
    if record.exists() and named and record.read_text().split("\n") != names:
        sys.exit(f"{folder} holds sheets made of {record.read_text()}: delete it first")
    missing = [wanted for wanted in ALL if not slide_path(wanted, folder).exists()]
    if not missing:
        return record.read_text().split("\n")
    if not all(path.exists() for path in sources):
        sys.exit(f"{sources[0]} is not there: name a real 40x slide (with make: SLIDES=…)")
    folder.mkdir(exist_ok=True)
    record.write_text("\n".join(names))
    tissue = find_tissue(sources)
    pieces = Pieces(tissue)
    for wanted in missing:
        start = time.perf_counter()
        path = slide_path(wanted, folder)
        aside = path.with_suffix(".partial")
        make(wanted, tissue, pieces, aside)
        aside.replace(path)
        print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB in {time.perf_counter() - start:.0f} s", flush=True)
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", type=Path, nargs="*", help="40x scans; default: one that the tests use")
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args()
    make_slides(options.slides, options.out)


if __name__ == "__main__":
    main()
