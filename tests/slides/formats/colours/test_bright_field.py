import numpy as np
import pytest
from PIL import Image

from app.errors import SlideUnsupportedError
from app.slides.formats.opening import open_slide
from app.slides.tiles.survey import survey_slide
from app.slides.types import ReadingPlan
from tests.slides.make_slide import he_like
from tests.slides.make_tiff import page, write_tiff

SLIDE = he_like(1500, 1800, 2.0, [(0.2, 0.2, 0.7, 0.8)])


def surveyed(path, pixels: np.ndarray):
    with open_slide(write_tiff(path / "a.tif", [page(pixels)]), mpp=2.0) as opened:
        return survey_slide(opened, ReadingPlan())


def test_stains_on_a_dark_background_are_no_bright_field(tmp_path):
    stained = 255 - SLIDE  # nuclei and stroma glow, glass is black
    blue = np.where(np.arange(3) == 2, stained, 0).astype(np.uint8)
    for pixels in (stained, blue, stained // 3, np.zeros_like(SLIDE)):
        with pytest.raises(SlideUnsupportedError, match="background is dark"):
            surveyed(tmp_path, pixels)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_16_bit_pixels_that_use_fewer_bits(tmp_path, bits):
    with pytest.raises(SlideUnsupportedError, match="16-bit pixels"):
        surveyed(tmp_path, SLIDE.astype(np.uint16) << (bits - 8))


def test_a_bright_slide_in_a_black_frame_is_read(tmp_path):
    framed = np.zeros((3000, 4000, 3), np.uint8)
    framed[700:2200, 1000:2800] = SLIDE
    assert len(surveyed(tmp_path, framed).coords) >= len(surveyed(tmp_path, SLIDE).coords) - 2 > 5


@pytest.mark.parametrize("slide", [SLIDE, he_like(1500, 1800, 2.0, [(0, 0, 1, 0.9)])])
def test_colours_that_are_seen_to_be_wrong_are_refused(tmp_path, slide):
    channels = [Image.fromarray(np.ascontiguousarray(slide[..., number])) for number in range(3)]
    as_ycbcr = np.asarray(Image.fromarray(slide).convert("YCbCr"))
    taken_for_ycbcr = np.asarray(Image.merge("YCbCr", channels).convert("RGB"))
    for pixels, said, true in ((as_ycbcr, "RGB", "YCbCr"), (taken_for_ycbcr, "YCbCr", "RGB")):
        with pytest.raises(SlideUnsupportedError, match=f"describes them as {said}, but its pixels look like {true}"):
            surveyed(tmp_path, pixels)
