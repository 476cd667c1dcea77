"""What a viewer shows of the real slides, against OpenSlide's Deep Zoom generator and Pillow's colour management."""

from pathlib import Path

import numpy as np
import openslide
import pytest
from openslide.deepzoom import DeepZoomGenerator
from PIL import ImageCms

from app.slides.sandbox.reader import SlideReader
from app.viewer.deepzoom import DeepZoom

SLIDES = [  # name, mpp, what becomes of its colour profile
    ("fix_tcga_cr_7395_ts1_nomag.svs", 0.5, "profile"),
    ("dev_lusc_he3_20x_dicom", None, "profile"),
    ("dev_lusc_he3_40x.svs", None, "none"),
    ("dev_lusc_he2_20x_philips.tiff", None, "none"),
    ("dev_crohn_he4_20x_jp2k.svs", None, "none"),
    ("dev_ras_he_30x.svs", None, "none"),
    ("fix_cmu1_small_region.svs", None, "none"),
]


@pytest.mark.parametrize(("name", "mpp", "colour"), SLIDES)
def test_tiles_are_openslides_in_srgb(slides_dir: Path, name, mpp, colour):
    path = slides_dir / name
    opened = openslide.OpenSlide(sorted(path.iterdir())[0] if path.is_dir() else path)
    theirs = DeepZoomGenerator(opened, tile_size=254, overlap=1)
    profile = opened.color_profile
    with SlideReader() as reader:
        info = reader.open(path, mpp)
        mine = DeepZoom(info.width, info.height)
        for level in range(max(9, mine.top - 5), mine.top + 1):
            columns, rows = mine.tiles(level)
            column, row = columns // 2, rows // 2
            pixels = reader.region(*mine.tile(level, column, row))
            shown = theirs.get_tile(level, (column, row)).convert("RGB")
            if profile is not None:
                intent = ImageCms.Intent(ImageCms.getDefaultIntent(profile))
                shown = ImageCms.profileToProfile(
                    shown, profile, ImageCms.createProfile("sRGB"), renderingIntent=intent, outputMode="RGB"
                )
            height, width = (min(sides) for sides in zip(pixels.shape[:2], shown.size[::-1], strict=True))
            # Where a side is odd, theirs rounds it down.
            assert max(pixels.shape[0] - height, pixels.shape[1] - width) <= 1
            apart = np.abs(blocks(pixels[:height, :width]) - blocks(np.asarray(shown)[:height, :width]))
            assert apart.mean() < 3, (level, apart.mean())
        assert reader.colour == colour


def blocks(pixels) -> np.ndarray:
    """Means of 4 x 4 px: which of a scan's levels a tile is shrunk from changes single pixels."""
    height, width = (side // 4 * 4 for side in pixels.shape[:2])
    return np.asarray(pixels, float)[:height, :width].reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3))
