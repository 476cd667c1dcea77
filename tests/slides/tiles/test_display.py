"""What people see of a slide: its pixels, at any size, in sRGB by its own colour profile."""

import struct

import numpy as np
import pytest
from PIL import ImageCms

from app.slides.formats.opening import open_slide
from app.slides.sandbox.reader import SlideReader
from app.slides.tiles import display
from app.slides.types import Extent
from tests.slides.make_slide import he_like, write_svs

SIDE = 1200
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_primaries() -> bytes:
    """sRGB with the primaries of red and green exchanged: in sRGB proper, the two channels change places."""
    data = bytearray(SRGB)
    (count,) = struct.unpack_from(">I", data, 128)
    for at in range(132, 132 + 12 * count, 12):
        name = bytes(data[at : at + 4])
        data[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    return bytes(data)


@pytest.fixture(scope="module")
def pixels():
    return he_like(SIDE, SIDE, 0.5, [(0.2, 0.2, 0.8, 0.8)])


@pytest.fixture(scope="module")
def reader():
    with SlideReader() as reader:
        yield reader


@pytest.mark.parametrize(
    ("icc", "colour", "channels"),
    [(b"", "none", [0, 1, 2]), (SRGB, "profile", [0, 1, 2]), (swapped_primaries(), "profile", [1, 0, 2]),
     (b"not a profile", "unusable", [0, 1, 2]), (SRGB[:300], "unusable", [0, 1, 2])],
)  # fmt: skip
def test_the_slides_own_profile_is_applied_and_a_broken_one_is_told(tmp_path, reader, pixels, icc, colour, channels):
    reader.open(write_svs(tmp_path / "s.svs", pixels, 0.5, compression="raw", icc=icc))
    shown = reader.region(Extent(0, 0, SIDE, SIDE), (SIDE, SIDE))
    assert reader.colour == colour
    assert np.abs(shown.astype(int) - pixels[..., channels]).max() <= 3


@pytest.mark.parametrize("levels", [(1,), (1, 4, 16)])
def test_any_size_shows_the_same(tmp_path, reader, pixels, levels):
    """A scan without a pyramid is read in blocks, and no seam shows where they meet."""
    reader.open(write_svs(tmp_path / "s.svs", pixels, 0.5, compression="raw", levels=levels))
    for shrink in (2, 8, 40):
        shown = reader.region(Extent(0, 0, SIDE, SIDE), (SIDE // shrink, SIDE // shrink)).astype(float)
        wanted = pixels.reshape(SIDE // shrink, shrink, SIDE // shrink, shrink, 3).mean(axis=(1, 3))
        assert np.abs(shown - wanted).mean() < 5
        assert abs(shown.mean() - wanted.mean()) < 1


@pytest.mark.parametrize("compression", ["raw", "jpeg"])
def test_a_scan_without_a_pyramid_is_decoded_once_for_all_that_shows_it_from_afar(
    tmp_path, pixels, compression, monkeypatch
):
    slide = write_svs(tmp_path / "s.svs", pixels, 0.5, compression=compression, levels=(1,))
    wanted = pixels.reshape(SIDE // 20, 20, SIDE // 20, 20, 3).mean(axis=(1, 3))
    drawn, render = [], display.render_thumbnail
    monkeypatch.setattr(display, "_FAR_LEVEL_PX", 300**2)
    monkeypatch.setattr(display, "render_thumbnail", lambda opened: drawn.append(1) or render(opened))
    with open_slide(slide) as opened:
        shows = display.Display(opened)
        whole = shows.region(Extent(0, 0, SIDE, SIDE), (SIDE // 20, SIDE // 20)).astype(float)
        assert np.abs(whole - wanted).mean() < 6
        assert abs(whole.mean() - wanted.mean()) < 1
        corner = shows.region(Extent(600, 600, 1200, 1200), (60, 60)).astype(float)  # half of it beyond the slide
        assert np.abs(corner[:29, :29] - wanted[30:59, 30:59]).mean() < 7
        assert (corner[32:] == 255).all() and (corner[:, 32:] == 255).all()
        assert drawn == [1]
        near = shows.region(Extent(0, 0, SIDE, SIDE), (SIDE // 2, SIDE // 2))  # finer than it was drawn
        assert np.abs(near.astype(float) - pixels.reshape(600, 2, 600, 2, 3).mean(axis=(1, 3))).mean() < 5
        assert drawn == [1]


def test_beyond_the_slide_is_white(tmp_path, reader, pixels):
    reader.open(write_svs(tmp_path / "s.svs", pixels, 0.5, compression="raw"))
    shown = reader.region(Extent(SIDE - 100, SIDE - 100, 200, 200), (200, 200))
    assert (shown[110:] == 255).all() and (shown[:, 110:] == 255).all()
    assert (shown[:90, :90] == 244).all()
