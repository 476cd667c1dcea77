import numpy as np
import pytest
from PIL import Image

from app.slides.formats.colours.channels import judge_channels
from tests.slides.make_slide import he_like
from tests.tissue import paint_tissue

SLIDES = {
    "a biopsy on much glass": he_like(600, 800, 2.0, [(0.4, 0.4, 0.6, 0.6)]),
    "tissue from edge to edge": he_like(600, 800, 2.0, [(0, 0, 1, 1)]),
    "an ellipse": paint_tissue(600, 600),
}
DAB = np.where(SLIDES["an ellipse"].max(axis=2, keepdims=True) < 240, np.uint8((150, 100, 60)), SLIDES["an ellipse"])
SLIDES["brown stain"] = DAB


def as_ycbcr(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).convert("YCbCr"))


@pytest.mark.parametrize("name", SLIDES)
def test_rgb_is_never_taken_for_ycbcr_nor_the_reverse(name):
    pixels = SLIDES[name]
    assert judge_channels(pixels) in {"rgb", None} and judge_channels(as_ycbcr(pixels)) in {"ycbcr", None}


@pytest.mark.parametrize("name", ["a biopsy on much glass", "an ellipse", "brown stain"])
def test_where_there_is_glass_it_is_certain(name):
    pixels = SLIDES[name]
    assert judge_channels(pixels) == "rgb" and judge_channels(as_ycbcr(pixels)) == "ycbcr"
    padded = np.full((2000, 2000, 3), 255, np.uint8)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    assert judge_channels(padded) == "rgb" and judge_channels(as_ycbcr(padded)) == "ycbcr"


def test_without_light_or_pixels_nothing_is_said():
    dark = SLIDES["an ellipse"] // 3
    for pixels in (dark, as_ycbcr(dark), np.full((100, 100, 3), 255, np.uint8), np.zeros((0, 3), np.uint8)):
        assert judge_channels(pixels) is None
