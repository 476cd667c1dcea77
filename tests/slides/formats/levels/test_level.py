import dataclasses

import pytest

from app.errors import ResolutionTooLowError
from app.slides.formats.levels.level import choose_level
from app.slides.types import Level, SlideInfo

INFO = SlideInfo(
    vendor="aperio",
    width=40000,
    height=30000,
    mpp=0.25,
    mpp_x=0.25,
    mpp_y=0.25,
    mpp_source="file",
    objective_power=40,
    levels=(Level(0, 40000, 30000, 1.0), Level(1, 10000, 7500, 4.0), Level(2, 2500, 1875, 16.0)),
    background=(255, 255, 255),
    bounds=None,
)


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
