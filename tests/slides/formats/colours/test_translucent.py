"""Alpha: clear means outside the scan, anything between clear and opaque is refused."""

import numpy as np
import pytest

from app.errors import SlideUnsupportedError
from app.slides.formats.opening import open_slide
from app.slides.tiles.render import render_tile
from tests.slides.make_pyramid import PLAN, tissue
from tests.slides.make_tiff import MPP, page, write_tiff
from tests.slides.pixels import shrunk

PIXELS = tissue(1600, 1200)


def written(path, alpha, extra):
    """Levels 1 and 1/4; ``alpha``: uint8 [1200, 1600]. ``extra``: 1 for associated, 2 for unassociated alpha."""
    pages = []
    for step in (1, 4):
        part, cover = shrunk(PIXELS, step), alpha[::step, ::step, None]
        stored = (part * (cover / 255)).astype(np.uint8) if extra == 1 else part
        pages.append(page(np.dstack([stored, cover]), {254: min(step - 1, 1), 338: extra}))
    return write_tiff(path, pages)


@pytest.mark.parametrize("extra", [1, 2], ids=["associated", "unassociated"])
@pytest.mark.parametrize("value", [254, 128, 102, 1, 0])
def test_a_slide_of_one_alpha_below_opaque_is_refused(tmp_path, extra, value):
    path = written(tmp_path / "a.tif", np.full((1200, 1600), value, np.uint8), extra)
    with pytest.raises(SlideUnsupportedError, match=f"alpha of its pixels is {value}, not 255"):
        open_slide(path, MPP)


def test_tissue_that_is_translucent_on_opaque_glass_is_refused(tmp_path):
    alpha = np.where(PIXELS.min(axis=2) < 220, 128, 255).astype(np.uint8)
    with pytest.raises(SlideUnsupportedError, match="alpha of its pixels is"):
        open_slide(written(tmp_path / "a.tif", alpha, 2), MPP)


@pytest.mark.parametrize("extra", [1, 2], ids=["associated", "unassociated"])
def test_what_is_clear_was_not_scanned(tmp_path, extra):
    alpha = np.full((1200, 1600), 255, np.uint8)
    alpha[:, 800:] = 0
    alpha[:, 800] = 128  # a smoothed edge
    with open_slide(written(tmp_path / "a.tif", alpha, extra), MPP) as opened:
        inside = render_tile(opened, PLAN, 1, 0, 0)
        white = render_tile(opened, PLAN, 1, 1000, 0)
    assert np.array_equal(inside, shrunk(PIXELS, 4)[:112, :112]) and (white == 255).all()
