import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.errors import (
    EmptyUploadError,
    MppMissingError,
    NotASlideError,
    SlideCorruptError,
    SlideMissingError,
)
from app.slides.formats.opening import open_slide
from app.slides.formats.tiff.tiff_directory import check_tiff_complete
from app.slides.types import Level
from tests.slides.make_slide import write_generic_tiff, write_svs

PIXELS = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)


def test_what_a_slide_says(tmp_path):
    with open_slide(write_svs(tmp_path / "s.svs", PIXELS, 0.263, appmag=40)) as opened:
        info = opened.info
    assert (info.vendor, info.width, info.height) == ("aperio", 900, 700)
    assert (info.mpp, info.mpp_source, info.objective_power) == (0.263, "file", 40.0)
    assert info.levels == (Level(0, 900, 700, 1.0), Level(1, 225, 175, 4.0), Level(2, 56, 43, 16.0))
    assert info.bounds is None and info.background == (255, 255, 255)


def test_objective_power_stands_in_for_a_missing_mpp(tmp_path):
    with open_slide(write_svs(tmp_path / "s.svs", PIXELS, None, appmag=20)) as opened:
        assert (opened.info.mpp, opened.info.mpp_source) == (0.5, "objective_power")


def test_no_resolution_at_all_needs_the_request(tmp_path):
    path = write_generic_tiff(tmp_path / "s.tiff", PIXELS)
    with pytest.raises(MppMissingError):
        open_slide(path)
    with open_slide(path, mpp=0.25) as opened:
        assert (opened.info.mpp, opened.info.mpp_source) == (0.25, "request")


def test_a_folder_is_opened_by_its_slide(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "deep").mkdir()
    write_svs(tmp_path / "deep" / "s.svs", PIXELS, 0.25)
    with open_slide(tmp_path) as opened:
        assert opened.info.width == 900


@pytest.mark.parametrize("kind", ["text", "png", "jpeg", "plain tiff", "noise"])
def test_what_is_no_slide_is_refused(tmp_path, kind):
    path = tmp_path / "s.svs"
    if kind == "text":
        path.write_text("Dear colleague, here is the slide.\n")
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(1).bytes(100_000))
    else:
        Image.fromarray(PIXELS).save(path, {"png": "PNG", "jpeg": "JPEG", "plain tiff": "TIFF"}[kind])
    with pytest.raises(NotASlideError, match="No reader"):
        open_slide(path)


def test_nothing_and_zero_bytes(tmp_path):
    with pytest.raises(SlideMissingError):
        open_slide(tmp_path / "s.svs")
    (tmp_path / "s.svs").touch()
    with pytest.raises(EmptyUploadError):
        open_slide(tmp_path / "s.svs")


@pytest.mark.parametrize("compression", ["raw", "jpeg"])
@pytest.mark.parametrize("cut", [5, 100, 0.3, 0.6, 0.9, 0.99, -100, -4, -1])
def test_a_truncated_slide_is_called_corrupt(tmp_path, compression, cut):
    path = write_svs(tmp_path / "s.svs", PIXELS, 0.25, compression=compression)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut) if isinstance(cut, float) else cut])
    with pytest.raises(SlideCorruptError, match="Send it again"):
        open_slide(path)


def test_whole_tiffs_pass_the_check_and_circles_do_not(tmp_path):
    path = write_svs(tmp_path / "s.svs", PIXELS, 0.25, levels=(1,))
    check_tiff_complete(path)
    data = bytearray(path.read_bytes())
    data[-4:] = data[4:8]  # the last link points at the first directory
    path.write_bytes(data)
    with pytest.raises(SlideCorruptError, match="loop"):
        check_tiff_complete(path)


def test_a_pipe_and_a_pipe_among_a_slides_files_are_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "s.svs")
    (tmp_path / "s.mrxs").write_bytes(b"x")
    (tmp_path / "s").mkdir()
    os.mkfifo(tmp_path / "s" / "Slidedat.ini")
    for path in (tmp_path / "s.svs", tmp_path / "s.mrxs", tmp_path, Path("/dev/zero")):
        with pytest.raises(NotASlideError, match="pipe"):
            open_slide(path)


@pytest.mark.parametrize("offset", [2**31, 2**62, 2**63, 2**64 - 1])
def test_a_bigtiff_that_points_beyond_the_largest_file(tmp_path, offset):
    (tmp_path / "s.tiff").write_bytes(struct.pack("<2sHHHQ", b"II", 43, 8, 0, offset) + bytes(100))
    with pytest.raises(SlideCorruptError):
        open_slide(tmp_path / "s.tiff")


def test_a_directory_that_claims_more_entries_than_there_is_memory(tmp_path):
    (tmp_path / "s.tiff").write_bytes(struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, 2**50) + bytes(100))
    with pytest.raises(SlideCorruptError):
        open_slide(tmp_path / "s.tiff")


def test_a_slide_that_claims_more_than_its_tiles_is_corrupt(tmp_path):
    path = write_svs(tmp_path / "slide.svs", np.full((600, 600, 3), 200, np.uint8), 0.5, levels=(1,))
    content = bytearray(path.read_bytes())
    for tag, value in ((256, 200_000), (322, 2**20)):
        lying = bytearray(content)
        at = _value_of_tag(lying, tag)
        lying[at : at + 4] = value.to_bytes(4, "little")
        (tmp_path / "lying.svs").write_bytes(lying)
        with pytest.raises(SlideCorruptError, match="damaged"):
            open_slide(tmp_path / "lying.svs")


def _value_of_tag(content, tag):
    """Where the value of ``tag`` stands in the first directory of a little-endian TIFF."""
    offset = int.from_bytes(content[4:8], "little")
    for entry in range(int.from_bytes(content[offset : offset + 2], "little")):
        at = offset + 2 + 12 * entry
        if int.from_bytes(content[at : at + 2], "little") == tag:
            return at + 8
    raise AssertionError(tag)
