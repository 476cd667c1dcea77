"""A value that lies beyond the end of the file: harmless, or a sign that the file was cut off."""

import numpy as np
import pytest

from app.errors import SlideCorruptError
from app.slides.formats.opening import open_slide
from tests.slides.make_tiff import page, write_tiff

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8)


def with_value_beyond_the_end(path, tag: int, pages):
    """The TIFF of ``pages`` with the value of ``tag`` said to stand where the file has ended."""
    data = bytearray(write_tiff(path, pages).read_bytes())
    directory = int.from_bytes(data[4:8], "little")
    for entry in range(int.from_bytes(data[directory : directory + 2], "little")):
        at = directory + 2 + 12 * entry
        if int.from_bytes(data[at : at + 2], "little") == tag:
            data[at + 8 : at + 12] = (len(data) + 1000).to_bytes(4, "little")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("tag", [700, 33723, 65000])
def test_a_tag_that_no_reader_needs_may_be_broken(tmp_path, tag):
    path = with_value_beyond_the_end(tmp_path / "a.tif", tag, [page(PIXELS, {tag: b"x" * 100})])
    with open_slide(path) as opened:
        assert np.array_equal(np.asarray(opened.slide.read_region((0, 0), 0, (500, 300)))[..., :3], PIXELS)


@pytest.mark.parametrize("tag", [258, 270, 282, 324, 325, 34675])
def test_a_tag_of_pixels_or_resolution_may_not(tmp_path, tag):
    extra = {270: b"words" * 20, 34675: b"x" * 200}
    path = with_value_beyond_the_end(tmp_path / "a.tif", tag, [page(PIXELS, extra)])
    with pytest.raises(SlideCorruptError):
        open_slide(path)
