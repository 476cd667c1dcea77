"""Which factor a level's size allows."""

import pytest

from app.slides.level_shape import content_size, filled_downsamples, rounded_downsample


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
    assert rounded_downsample(size0, size) == downsample
