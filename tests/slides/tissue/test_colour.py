import numpy as np
import pytest

from app.slides.tissue.colour import _median, background_colour, brightest_channel, optical_density
from tests.slides.make_thumbnail import EOSIN, disc, glass, paint


@pytest.mark.parametrize("colour", [(243, 243, 243), (235, 225, 205), (222, 230, 240), (120, 118, 112), (40, 40, 40)])
def test_the_glass_is_found_beside_more_tissue_and_a_black_border(colour):
    picture = glass(200, 200, colour)
    tissue = [round(channel * value / 243) for channel, value in zip(colour, EOSIN, strict=True)]
    paint(picture, disc(picture, 100, 100, 105), tuple(tissue))
    picture[:, :20] = 0
    assert background_colour(picture) == pytest.approx(colour, abs=1)


def test_padding_counts_only_where_there_is_no_glass():
    picture = glass(200, 200, (232, 226, 212))
    picture[:, :120] = 255
    assert background_colour(picture) == pytest.approx((232, 226, 212), abs=1)
    paint(picture, np.tile(np.arange(200) >= 120, (200, 1)), EOSIN)
    assert background_colour(picture).tolist() == [255, 255, 255]


def test_without_glass_a_neutral_of_the_brightest_value():
    picture = glass(100, 100)
    paint(picture, np.ones((100, 100), bool), EOSIN)
    red, green, blue = background_colour(picture)
    assert red == green == blue
    assert 225 <= red <= 240


def test_density_is_the_logarithm_of_the_quotient_and_never_negative():
    picture = np.array([[[99, 9, 255]]], np.uint8)
    density = optical_density(picture, np.array([99, 99, 99], np.float32))
    assert density[:, 0, 0] == pytest.approx([0, 1, 0])
    assert brightest_channel(picture).tolist() == [[255]]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 999, 1000])
def test_the_median_by_counting_is_that_by_sorting(count):
    random = np.random.default_rng(count)
    for _ in range(20):
        levels = random.integers(0, 256, count, dtype=np.uint8)
        assert _median(levels) == np.median(levels)
