"""Pixels of the real slides, read with OpenSlide alone: what the masks and quality figures are tried on."""

import functools
import os
from pathlib import Path

import numpy as np
import openslide
import pytest
from PIL import Image

from app.slides.types import BoolArray, UInt8Array

THUMBNAIL_MPP = 8.0
# The last two name no mpp: at 0.5 µm/px they look like the 20x scans that they are.
HE_SLIDES = {
    "dev_lusc_he3_40x.svs": 0.263,
    "dev_lusc_he3_20x.svs": 0.526,
    "dev_lusc_he2_20x_philips.tiff": 0.526036,
    "dev_crohn_he4_20x_jp2k.svs": 0.526,
    "dev_pdac_adrenal_he_20x_jp2k.svs": 0.526,
    "dev_ras_he_30x.svs": 0.3612,
    "fix_cmu1_small_region.svs": 0.499,
    "dev_tubadenoma_he_nomag_generic.tiff": 0.5,
    "fix_tcga_cr_7395_ts1_nomag.svs": 0.5,
}
IHC_SLIDE = "dev_ck7p40_ihc_20x.svs"
IHC_MPP = 0.5056


@functools.cache
def thumbnail(slide: Path, mpp: float) -> UInt8Array:
    """The whole slide at 8 µm/px, read-only uint8 [h, w, 3]."""
    with openslide.OpenSlide(_needed(slide)) as opened:
        level = opened.get_best_level_for_downsample(THUMBNAIL_MPP / mpp)
        picture = _over_white(opened.read_region((0, 0), level, opened.level_dimensions[level]))
        size = [max(1, round(side * mpp / THUMBNAIL_MPP)) for side in opened.dimensions]
    pixels = np.asarray(picture.resize(size, Image.Resampling.BOX))
    pixels.flags.writeable = False
    return pixels


def tissue_tiles(slide: Path, mpp: float, tissue: BoolArray, most: int) -> UInt8Array:
    """Up to ``most`` 5x tiles with at least 10 % tissue, evenly spread: uint8 [n, 224, 224, 3]."""
    places = np.argwhere(tile_fractions(tissue, THUMBNAIL_MPP) >= 0.10)
    places = places[np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int)]
    tiles = []
    with openslide.OpenSlide(slide) as opened:
        level = opened.get_best_level_for_downsample(2.0 / mpp)
        side = round(448 / mpp / opened.level_downsamples[level])
        for row, column in places:
            corner = round(column * 448 / mpp), round(row * 448 / mpp)
            tile = _over_white(opened.read_region(corner, level, (side, side)))
            tiles.append(np.asarray(tile.resize((224, 224), Image.Resampling.LANCZOS)))
    return np.stack(tiles)


def tile_fractions(tissue: BoolArray, mpp: float) -> np.ndarray:
    """Tissue fraction of each tile of the 448 µm grid; beyond the slide there is none: float [rows, columns]."""
    side = 448 / mpp
    rows, columns = (int(np.ceil(length / side)) for length in tissue.shape)
    edges = [np.round(np.arange(count + 1) * side).astype(int) for count in (rows, columns)]
    sums = np.add.reduceat(np.add.reduceat(tissue, edges[0][:-1], axis=0, dtype=float), edges[1][:-1], axis=1)
    return sums / side**2


def atlas_thumbnails(slides_dir: Path) -> list[Path]:
    """Thumbnails of the atlas's H&E slides at 16 µm/px."""
    folder = _needed(slides_dir.parent / "atlas" / "thumbs")
    return sorted(folder.glob("*.jpg"))


def _needed(path: Path) -> Path:
    if not path.exists():
        missing = f"{path.name} is not among the real data on this machine"
        if os.environ.get("REQUIRE") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def _over_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGB", picture.size, (255, 255, 255))
    white.paste(picture, mask=picture.getchannel("A"))
    return white
