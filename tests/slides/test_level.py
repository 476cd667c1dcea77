import dataclasses

import pytest

from app.errors import ResolutionTooLowError
from app.slides.level import choose_level, true_downsample
from app.slides.types import SlideInfo

INFO = SlideInfo(
    vendor="aperio",
    width=40000,
    height=30000,
    mpp=0.25,
    mpp_x=0.25,
    mpp_y=0.25,
    mpp_source="file",
    objective_power=40,
    level_downsamples=(1.0, 4.0, 16.0),
    level_sizes=((40000, 30000), (10000, 7500), (2500, 1875)),
    background=(255, 255, 255),
    bounds=None,
)


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
    ],
)
def test_whole_downsamples_are_recognised(size0, size, downsample):
    assert true_downsample(size0, size) == downsample


@pytest.mark.parametrize(
    ("mpp", "tolerance", "level"),
    [
        (0.25, 0.0, 1),  # 1.0 µm/px; 4.0 would be too coarse
        (0.5, 0.0, 1),  # 2.0 µm/px exactly
        (0.5056, 0.0, 0),  # 2.022 µm/px is too coarse without tolerance
        (0.5056, 0.06, 1),
        (0.5260, 0.06, 1),  # 2.104 µm/px
        (0.54, 0.06, 0),
        (2.1, 0.0, 0),  # enlarged a little, because nothing finer exists
        (0.12, 0.0, 2),
    ],
)
def test_the_coarsest_level_that_is_fine_enough(mpp, tolerance, level):
    assert choose_level(dataclasses.replace(INFO, mpp=mpp), 2.0, tolerance) == level


def test_a_scan_too_coarse_for_the_plan_is_refused():
    with pytest.raises(ResolutionTooLowError):
        choose_level(dataclasses.replace(INFO, mpp=1.1), target_mpp=1.0)
