import struct

import numpy as np
import pytest

from app.slides.formats.compressed import self_check
from app.slides.formats.compressed.tiled_image import TiledImage
from app.slides.formats.opening import open_slide
from app.slides.tiles import thumbnail
from app.slides.tiles.thumbnail_size import thumbnail_size
from tests.slides.make_slide import Jpeg, he_like, write_generic_tiff, write_svs

from .test_tile_reader import tile_places


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


@pytest.mark.parametrize("levels", [(1,), (1, 4)])
def test_what_a_shrunk_level_lacks_at_its_end_is_not_white(tmp_path, levels):
    pixels = np.full((1_511, 2_503, 3), 60, np.uint8)  # in eighths 7/8 of a px is left over
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.97, levels=levels)) as opened:
        drawn = thumbnail.render_thumbnail(opened)
    assert np.abs(drawn.astype(int) - 60).max() <= 1


def line_centre(picture: np.ndarray) -> float:
    """Where, in columns, the dark line of a white picture lies."""
    darkness = 255 - picture[picture.shape[0] // 2, :-3, 0].astype(float)
    darkness[darkness < 40] = 0
    return float((darkness * np.arange(len(darkness))).sum() / darkness.sum())


@pytest.mark.parametrize(("mpp", "width", "levels"), [(0.25, 3_295, (1, 4, 16)), (1.0, 1_607, (1,))])
def test_what_a_shrunk_level_lacks_moves_nothing(tmp_path, mpp, width, levels):
    pixels = np.full((2_407, width, 3), 255, np.uint8)
    side = round(8 / mpp)
    begin = width - 10 * side
    pixels[:, begin : begin + 3 * side] = 20
    with open_slide(write_svs(tmp_path / "s.svs", pixels, mpp, levels=levels)) as opened:
        drawn = thumbnail.render_thumbnail(opened)
    assert abs(line_centre(drawn) - ((begin + 1.5 * side) * drawn.shape[1] / width - 0.5)) < 0.15


def test_a_last_block_that_begins_where_a_shrunk_level_ends_is_drawn(tmp_path):
    pixels = np.full((1_047, 32_767, 3), 100, np.uint8)
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.26, levels=(1, 4, 16))) as opened:
        assert np.abs(thumbnail.render_thumbnail(opened).astype(int) - 100).max() <= 1


@pytest.mark.parametrize("height", [3, 63, 65])
def test_a_narrow_slide_is_seen_whole(tmp_path, height):
    pixels = np.full((height, 2_503, 3), 60, np.uint8)
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.97, levels=(1,))) as opened:
        drawn = thumbnail.render_thumbnail(opened)
    assert drawn.shape[1] == 303 and np.abs(drawn.astype(int) - 60).max() <= 1


def by_openslide(monkeypatch, opened) -> np.ndarray:
    def refuse(*_args: object) -> None:
        raise thumbnail.NotDirectError("asked for")

    with monkeypatch.context() as patch:
        patch.setattr(thumbnail, "find_tiled_image", refuse)
        return thumbnail.render_thumbnail(opened)


@pytest.mark.parametrize("block_px", [300, 2048])
@pytest.mark.parametrize("jpeg", [Jpeg(), Jpeg(subsampling=2, tables=True), Jpeg(rgb=True)])
@pytest.mark.parametrize("levels", [(1,), (1, 4)])
def test_read_directly_it_is_openslides(tmp_path, monkeypatch, block_px, jpeg, levels):
    """At a ratio at which no block ends with a level px. (Where a level's factor is broken, OpenSlide blurs blocks.)"""
    for name in ("_BLOCK_LEVEL_PX", "_DIRECT_BLOCK_LEVEL_PX"):
        monkeypatch.setattr(thumbnail, name, block_px)
    monkeypatch.setattr(TiledImage, "shrinks_by", lambda *_: 1)
    pixels = he_like(1_504, 2_504, 0.99, [(0, 0, 1, 1)])
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.99, levels=levels, jpeg=jpeg)) as opened:
        expected = by_openslide(monkeypatch, opened)
        monkeypatch.setattr(thumbnail, "_draw_by_openslide", None)  # not to be called
        drawn = thumbnail.render_thumbnail(opened)
    assert expected.std() > 5
    assert np.array_equal(drawn, expected)


@pytest.mark.parametrize("jpeg", [Jpeg(), Jpeg(subsampling=2, tables=True), Jpeg(rgb=True)])
@pytest.mark.parametrize(("levels", "shrink"), [((1,), 8), ((1, 4), 2), ((1, 8), 1)])
def test_the_decoder_shrinks_what_is_not_wanted(tmp_path, monkeypatch, jpeg, levels, shrink):
    """Between 8 × 8 px averaged and a filter of 15 px lies a little, at edges; no px is out of place."""
    pixels = he_like(1_504, 2_504, 0.97, [(0, 0, 1, 1)])
    with open_slide(write_svs(tmp_path / "s.svs", pixels, 0.97, levels=levels, jpeg=jpeg)) as opened:
        expected = by_openslide(monkeypatch, opened).astype(int)
        found, shrunk = [], TiledImage.shrunk
        monkeypatch.setattr(TiledImage, "shrunk", lambda image, by: found.append(by) or shrunk(image, by))
        drawn = thumbnail.render_thumbnail(opened)
    assert found == [shrink]
    assert np.abs(drawn - expected).mean() < expected.std() / 5
    off_by_one = np.abs(drawn[:, 1:] - expected[:, :-1]).mean(), np.abs(drawn[1:] - expected[:-1]).mean()
    assert np.abs(drawn - expected).mean() < min(off_by_one) / 2


def test_where_the_file_leaves_a_tile_out_openslide_draws_it(tmp_path, monkeypatch):
    path = write_generic_tiff(tmp_path / "s.tiff", he_like(1_501, 2_503, 1.0, [(0, 0, 1, 1)]), levels=(1,))
    data = bytearray(path.read_bytes())
    lengths = [length for _, length in tile_places(path)]
    table = data.index(struct.pack(f"<{len(lengths)}I", *lengths))
    data[table + 80 : table + 84] = bytes(4)
    path.write_bytes(data)
    with open_slide(path, 1.0) as opened:
        drawn = thumbnail.render_thumbnail(opened)
        assert np.array_equal(drawn, by_openslide(monkeypatch, opened))
    assert (drawn > 250).all(axis=2).sum() > 500  # the tile's place


def test_where_pixels_come_out_otherwise_openslide_draws_it(tmp_path, monkeypatch):
    monkeypatch.setattr(self_check, "TOLERANCE", -1)
    with open_slide(write_svs(tmp_path / "s.svs", he_like(700, 900, 1.0, [(0, 0, 1, 1)]), 1.0, levels=(1,))) as opened:
        calls = []
        drawn_by = thumbnail._draw_by_openslide
        monkeypatch.setattr(thumbnail, "_draw_by_openslide", lambda *args: (calls.append(1), drawn_by(*args)))
        thumbnail.render_thumbnail(opened)
    assert calls == [1]
