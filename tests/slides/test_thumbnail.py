import numpy as np
import pytest

from app.slides import thumbnail
from app.slides.opening import open_slide
from app.slides.thumbnail_size import thumbnail_size

from .make_slide import write_svs


@pytest.mark.parametrize(
    ("width", "height", "mpp", "size"),
    [
        (80_000, 64_000, 0.25, (2500, 2000)),
        (17_883, 16_091, 0.263, (588, 529)),
        (200_000, 100_000, 0.25, (4096, 2048)),
        (10, 10, 0.25, (1, 1)),
        (100_000, 3, 0.25, (3125, 1)),
    ],
)
def test_eight_micrometres_per_pixel_up_to_4096_px(width, height, mpp, size):
    assert thumbnail_size(width, height, mpp) == size


def gradient(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 200 / width + 20, y * 200 / height + 20, np.full_like(x, 128)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("levels", [(1,), (1, 4, 16)])
def test_blocks_join_without_seams_and_places_are_right(tmp_path, monkeypatch, levels):
    pixels = gradient(1_501, 2_503)
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.25, levels=levels, compression="raw")) as opened:
        whole = thumbnail.render_thumbnail(opened)
        monkeypatch.setattr(thumbnail, "_BLOCK_LEVEL_PX", 200)
        in_blocks = thumbnail.render_thumbnail(opened)
    assert whole.shape == (47, 78, 3)
    assert np.abs(whole.astype(int) - in_blocks).max() <= 1
    y, x = np.mgrid[:47, :78] + 0.5
    inner = (slice(2, -2), slice(2, -2))
    assert np.abs(whole[..., 0] - (x / 78 * 200 + 20))[inner].max() < 4
    assert np.abs(whole[..., 1] - (y / 47 * 200 + 20))[inner].max() < 4


def test_edges_of_the_slide_do_not_fade_into_white(tmp_path):
    pixels = np.full((1_504, 2_496, 3), 60, np.uint8)
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.25, compression="raw")) as opened:
        assert (thumbnail.render_thumbnail(opened) == 60).all()
