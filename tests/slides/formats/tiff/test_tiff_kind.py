import io
import zlib

import numpy as np
import pytest
from PIL import Image

from app.errors import SlideUnsupportedError
from app.slides.formats.opening import open_slide
from app.slides.tiles.tile_reader import TileReader
from app.slides.types import ReadingPlan
from tests.slides.make_tiff import page, write_tiff

PIXELS = np.kron(np.random.default_rng(0).integers(0, 256, (40, 50, 3)), np.ones((16, 16, 1))).astype(np.uint8)
ORIENTATION = 274


def deflate(tile) -> bytes:
    return zlib.compress(tile.tobytes())


def jpeg(tile) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG", quality=100, subsampling=0)
    return buffer.getvalue()


def shown(path) -> np.ndarray:
    """The whole slide as it is analysed: one tile of all of it."""
    with open_slide(path) as opened:
        side = max(opened.info.width, opened.info.height)
        plan = ReadingPlan(tile_px=side, tile_mpp=opened.info.mpp)
        with TileReader(opened, plan, np.zeros((1, 2), np.int64)) as reader:
            return reader.tile(0)[: opened.info.height, : opened.info.width]


@pytest.mark.parametrize("orientation", [None, 1, 5])
def test_tiles_that_begin_at_the_top_left_are_read_as_stored(tmp_path, orientation):
    for tags, encode in (({259: 1}, lambda tile: tile.tobytes()), ({259: 8}, deflate)):
        path = write_tiff(tmp_path / "a.tif", [page(PIXELS, {**tags, ORIENTATION: orientation}, encode)])
        assert np.array_equal(shown(path), PIXELS)


@pytest.mark.parametrize("orientation", [2, 3, 4, 6, 7, 8])
def test_tiles_that_the_reader_would_mirror_are_refused(tmp_path, orientation):
    plain, turned = page(PIXELS, {259: 8}, deflate), page(PIXELS, {259: 8, ORIENTATION: orientation}, deflate)
    smaller = page(PIXELS[::2, ::2], {259: 8, 254: 1, ORIENTATION: orientation}, deflate)
    for pages in ([turned], [plain, smaller]):
        with pytest.raises(SlideUnsupportedError, match=f"Orientation tag is {orientation}.*Convert"):
            open_slide(write_tiff(tmp_path / "a.tif", pages))
    planes = {259: 7, 262: 2, 284: 2, ORIENTATION: orientation}
    in_planes = page(PIXELS[..., :1], {**planes, 258: (8, 8, 8), 277: 3}, lambda tile: jpeg(tile[..., 0]))
    with pytest.raises(SlideUnsupportedError):
        open_slide(write_tiff(tmp_path / "a.tif", [in_planes]))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_tiles_are_read_as_stored_whatever_orientation_says(tmp_path, orientation):
    path = write_tiff(tmp_path / "a.tif", [page(PIXELS, {259: 7, 262: 6, ORIENTATION: orientation}, jpeg)])
    assert np.abs(shown(path).astype(int) - PIXELS).mean() < 2


def test_the_orientation_of_what_is_no_tiled_image_does_not_matter(tmp_path):
    label = page(PIXELS[:256, :256], {259: 8, ORIENTATION: 6, 322: None, 323: None, 278: 256}, deflate)
    path = write_tiff(tmp_path / "a.tif", [page(PIXELS, {259: 8}, deflate), label])
    assert np.array_equal(shown(path), PIXELS)


@pytest.mark.parametrize("compression", [6, 22610, 34712, 34887, 34925, 34933, 34934, 50001, 50002, 12345])
def test_a_compression_that_is_not_supported_is_named(tmp_path, compression):
    path = write_tiff(tmp_path / "a.tif", [page(PIXELS, {259: compression})])
    with pytest.raises(SlideUnsupportedError, match=f"compression {compression} .*Convert"):
        open_slide(path)


@pytest.mark.parametrize("compression", [33003, 33005])
def test_aperios_compressions_outside_an_svs_are_not_supported(tmp_path, compression):
    with pytest.raises(SlideUnsupportedError, match=f"compression {compression} .*Convert"):
        open_slide(write_tiff(tmp_path / "a.tif", [page(PIXELS, {259: compression})]))


def test_big_endian_classic_tiff_is_named(tmp_path):
    with pytest.raises(SlideUnsupportedError, match="Big-endian"):
        open_slide(write_tiff(tmp_path / "a.tif", [page(PIXELS)], order=">"))


def grey(kind):
    return PIXELS[..., :1].astype(kind)


KINDS = {
    "one channel": (page(grey(np.uint8)), "one channel per page"),
    "one channel, white is 0": (page(grey(np.uint8), {262: 0}), "one channel per page"),
    "one channel of 16 bits": (page(grey(np.uint16)), "one channel per page"),
    "two channels": (page(PIXELS[..., :2], {262: 1}), "2 separate channels"),
    "five channels": (page(np.dstack([PIXELS, PIXELS[..., :2]]), {262: 1}), "5 separate channels"),
    "32 bits": (page(PIXELS.astype(np.uint32)), "32 bits"),
    "signed 8 bits": (page(PIXELS, {339: (2, 2, 2)}), "signed samples"),
    "signed 16 bits": (page(PIXELS.astype(np.int16) * 128, {339: (2, 2, 2)}), "signed samples"),
    "half floats": (page(PIXELS.astype(np.float16), {339: (3, 3, 3)}), "floating-point samples"),
    "a predictor for floats": (page(PIXELS, {259: 8, 317: 3}, deflate), "Predictor is 3"),
    "RGB with a palette's number": (page(PIXELS, {262: 3}), "PhotometricInterpretation 3"),
    "a mask": (page(PIXELS, {262: 4}), "PhotometricInterpretation 4"),
    "RGB and a sample without a meaning": (page(np.dstack([PIXELS, PIXELS[..., 0] * 0]), {338: 0}), "does not state"),
    "the same without a word of it": (page(np.dstack([PIXELS, PIXELS[..., 0]])), "does not state"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_that_are_no_rgb_of_8_or_16_bits_are_named(tmp_path, kind):
    one, name = KINDS[kind]
    with pytest.raises(SlideUnsupportedError, match=f"{name}.*Convert"):
        open_slide(write_tiff(tmp_path / "a.tif", [one]))


def test_what_the_reader_shows_rightly_is_read(tmp_path):
    opaque, clear = np.full_like(PIXELS[..., :1], 255), np.zeros_like(PIXELS[..., :1])
    for one in (
        page(PIXELS.astype(np.uint16) * 257),
        page(np.dstack([PIXELS, opaque]), {338: 2}),
        page(np.dstack([PIXELS, opaque]), {338: 1}),
        page(np.dstack([255 - PIXELS, clear]), {262: 5}),
        page(PIXELS, {317: 1}),
        page(PIXELS, {339: (1, 1, 1)}),
        page(PIXELS, {339: (4, 4, 4)}),
    ):
        assert np.array_equal(shown(write_tiff(tmp_path / "a.tif", [one])), PIXELS)
