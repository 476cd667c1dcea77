import pytest

from app.results.pictures.scale_bar import scale_bar


@pytest.mark.parametrize(
    ("um_per_px", "longest_px", "label", "length_px"),
    [
        (5.0, 400, "2 mm", 400),
        (5.0, 399, "1 mm", 200),
        (0.5, 250, "100 µm", 200),
        (12.5, 250, "2 mm", 160),
        (0.526, 15, "5 µm", 10),
        (80.0, 1000, "50 mm", 625),
        (0.25 * 16000 / 1600, 400, "1 mm", 400),
    ],
)
def test_longest_round_length_that_fits(um_per_px: float, longest_px: int, label: str, length_px: int) -> None:
    bar = scale_bar(um_per_px, longest_px)
    assert (bar.label, bar.length_px) == (label, length_px)


def test_there_is_one_for_every_slide() -> None:
    for height in range(1000, 16001, 16):
        picture_px = 1600 * height / 16000
        bar = scale_bar(0.25 * height / picture_px, picture_px / 4)
        assert 0 < bar.length_px <= picture_px / 4 + 1
