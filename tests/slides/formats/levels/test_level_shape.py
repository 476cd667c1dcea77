"""Which factor a level's size allows."""

import math

import numpy as np
import pytest

from app.slides.formats.levels.level_shape import content_size, filled_downsamples, is_filled, rounded_downsample


@pytest.mark.parametrize(
    ("size0", "size", "downsample"),
    [
        ((17883, 16091), (4470, 4022), 4.0),  # rounded down, OpenSlide says 4.0007
        ((8264, 8284), (1033, 1035), 8.0),  # one exact, one rounded down
        ((2220, 2967), (277, 370), 8.0),
        ((4443, 3567), (2222, 1784), 2.0),  # rounded up
        ((1000, 800), (1000, 800), 1.0),
        ((100000, 1150), (1562, 17), 64.0),  # a strip: by its short side it would be 67.6
        ((3000, 80000), (23, 625), 128.0),
        ((1000, 800), (400, 320), 2.5),  # a true fraction stays one
        ((2220, 2967), (500, 170), None),  # a macro
        ((2220, 2967), (577, 1000), None),
        ((9216, 8192), (2560, 2048), None),  # 1/4, filled up
        ((1000, 800), (1200, 960), None),  # larger
        ((1600, 1200), (201, 149), None),  # a pixel too much and one too few
    ],
)
def test_sides_rounded_to_a_pixel_allow_one_factor_or_none(size0, size, downsample):
    assert rounded_downsample(size0, size) == downsample


@pytest.mark.parametrize("rounding", [math.floor, math.ceil, round])
def test_whole_factors_are_found_however_sizes_are_rounded_level_by_level(rounding):
    rng = np.random.default_rng(0)
    for width, height in rng.integers(2_000, 200_000, (300, 2)):
        size = int(width), int(height)
        for level in range(1, 6):
            size = rounding(size[0] / 2), rounding(size[1] / 2)
            assert rounded_downsample((int(width), int(height)), size) == 2**level


def test_images_of_another_shape_allow_no_factor():
    """By a hundredth: whatever is 200 px or more on each side cannot be rounded so far."""
    rng = np.random.default_rng(0)
    for width, height, part in rng.integers((2_000, 2_000, 200), (9_000, 9_000, 1_000), (300, 3)):
        other = round(part * height / width * rng.choice([0.98, 1.02]))
        assert other < 200 or rounded_downsample((int(width), int(height)), (int(part), other)) is None


@pytest.mark.parametrize(
    ("size", "tile", "downsamples"),
    [
        ((4608, 4096), 512, (2,)),  # exact
        ((2560, 2048), 512, (4,)),
        ((1536, 1024), 512, (8,)),
        ((1024, 512), 512, (16, 17)),
        ((2304, 2048), 500, ()),  # no whole tiles
        ((512, 512), 512, (32, 64)),  # one tile: whatever is coarser than 18
        ((512, 512), 0, ()),
    ],
)
def test_sides_filled_up_to_whole_tiles_allow_some_factors(size, tile, downsamples):
    size0 = (9216, 8192)
    assert filled_downsamples(size0, size, (tile, tile), 64) == downsamples
    for downsample in downsamples:
        assert is_filled(size0, size, (tile, tile), downsample)
        width, height = content_size(size0, size, downsample)
        assert -(-width // tile) * tile <= size[0] and -(-height // tile) * tile <= size[1]


def test_what_is_not_filled_up_is_all_content():
    assert content_size((2221, 1783), (555, 445), 4.0) == (555, 445)
    assert content_size((9216, 8192), (1024, 512), 16.0) == (576, 512)
    assert not is_filled((1600, 1200), (200, 150), (256, 256), 100.0)
