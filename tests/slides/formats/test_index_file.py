"""Names inside index files, and what OpenSlide itself would make of them."""

import io
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from openslide import OpenSlide, OpenSlideError
from PIL import Image

from app.errors import NotASlideError, SlideUnsafeError
from app.slides.formats.files import slide_files
from app.slides.formats.index_file import named_files
from app.slides.formats.opening import open_slide

SECRET = (200, 30, 60)
SIDE = 256
SLIDE_ID = "ABCDEF0123456789ABCDEF0123456789"
BAD_NAMES = ["../secret.jpg", "/etc/passwd", "..", ".", "a/b.jpg", "a\\b.jpg", "C:a.jpg", "a\tb", "x" * 256]


def jpeg(colour=SECRET) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def mirax(folder: Path, data: bytes, before: bytes = b"", index: bytes = b"Index.dat", name: str = "x.mrxs") -> Path:
    """A MIRAX slide of one image tile, which is the first bytes of the file named ``data``."""
    beside = folder / name.removesuffix(".mrxs")
    beside.mkdir(parents=True, exist_ok=True)
    layer = "LAYER_0_LEVEL_0_SECTION"
    text = (
        f"[GENERAL]\nSLIDE_ID = {SLIDE_ID}\nIMAGENUMBER_X = 1\nIMAGENUMBER_Y = 1\nOBJECTIVE_MAGNIFICATION = 20\n"
        "CameraImageDivisionsPerSide = 1\n[HIERARCHICAL]\nHIER_COUNT = 1\nNONHIER_COUNT = 0\n"
        f"HIER_0_NAME = Slide zoom level\nHIER_0_COUNT = 1\nHIER_0_VAL_0_SECTION = {layer}\n"
        f"[{layer}]\nOVERLAP_X = 0\nOVERLAP_Y = 0\nMICROMETER_PER_PIXEL_X = 0.5\nMICROMETER_PER_PIXEL_Y = 0.5\n"
        f"IMAGE_FORMAT = JPEG\nIMAGE_FILL_COLOR_BGR = 16777215\nDIGITIZER_WIDTH = {SIDE}\nDIGITIZER_HEIGHT = {SIDE}\n"
        "IMAGE_CONCAT_FACTOR = 0\n"
    ).encode()
    names = b"[HIERARCHICAL]\nINDEXFILE = " + index + b"\n[DATAFILE]\nFILE_COUNT = 1\n" + before + b"FILE_0 = " + data
    (beside / "Slidedat.ini").write_bytes(text + names + b"\n")
    head = b"01.02" + SLIDE_ID.encode()
    root = len(head) + 8
    pages = struct.pack("<iii", root, root, root + 4) + struct.pack("<ii", 0, root + 12)
    (beside / "Index.dat").write_bytes(head + pages + struct.pack("<iiiiii", 1, 0, 0, 0, len(jpeg()), 0))
    (folder / name).write_bytes(b"\xff\xd8")
    return folder / name


def vms(path: Path, image: str, **more: str) -> Path:
    fields = {"NoLayers": "1", "NoJpegColumns": "1", "NoJpegRows": "1", "ImageFile": image, "MapFile": image} | more
    lines = [f"{key}={value}" for key, value in fields.items()]
    path.write_text("\r\n".join(["[Virtual Microscope Specimen]", *lines, "SourceLens=20", ""]))
    return path


def shows_secret(path: Path) -> bool:
    """Whether OpenSlide, asked without us, reads the secret picture through this slide."""
    try:
        with OpenSlide(path) as slide:
            pixels = np.asarray(slide.read_region((0, 0), 0, (SIDE, SIDE)).convert("RGB"))
    except OpenSlideError:
        return False
    return bool(np.abs(pixels.astype(int) - SECRET).max() < 8)


@pytest.fixture
def case(tmp_path):
    """The slide's place, and a picture two folders above it that is none of its business."""
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    (tmp_path / "case").mkdir()
    return tmp_path / "case"


def test_an_honest_mirax_is_read(case):
    path = mirax(case, b"Data0000.dat")
    (case / "x" / "Data0000.dat").write_bytes(jpeg())
    assert named_files(path) == [case / "x" / "Data0000.dat", case / "x" / "Index.dat"]
    with open_slide(path) as opened:
        assert (opened.info.vendor, opened.info.width) == ("mirax", SIDE)
    assert shows_secret(path)


EVASIONS = [
    b"FILE_0 = ../../secret.jpg",
    b"FILE_0=../../secret.jpg",
    b" \t\fFILE_0 \t= \t../../secret.jpg",
    b"FILE_0 = ../../secret.jpg\r",
    b"\rFILE_0 = ../../secret.jpg",
    b"=no key\rFILE_0 = ../../secret.jpg",
    b"FILE_0 = Data0000.dat\nFILE_0 = ../../secret.jpg",
    b"FILE_0 = ../../secret.jpg\n[OTHER]\nFILE_0 = Data0000.dat",
    b"FILE_0 = ../../secret.jpg\0.dat",
]


@pytest.mark.parametrize("lines", EVASIONS, ids=range(len(EVASIONS)))
def test_openslide_reads_a_picture_outside_through_mirax_and_we_refuse(case, lines):
    """Each spelling leads OpenSlide outside, so that a spelling it would not obey proves nothing."""
    path = mirax(case, b"")
    (case / "x" / "Data0000.dat").write_bytes(b"nothing")
    index = case / "x" / "Slidedat.ini"
    index.write_bytes(index.read_bytes().replace(b"FILE_0 = \n", lines + b"\n"))
    assert shows_secret(path)
    for look in (named_files, slide_files, open_slide):
        with pytest.raises(SlideUnsafeError):
            look(path)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_plain_name_is_refused_in_every_key(case, name):
    with pytest.raises(SlideUnsafeError):
        named_files(mirax(case, name.encode()))
    with pytest.raises(SlideUnsafeError):
        named_files(mirax(case, b"Data0000.dat", index=name.encode()))
    for key in ("ImageFile", "ImageFile(0,0)", "MapFile", "MacroImage", "OptimisationFile"):
        with pytest.raises(SlideUnsafeError):
            named_files(vms(case / "s.vms", "a.jpg", **{key: name}))


def test_a_byte_order_mark_hides_nothing(case):
    path = mirax(case, b"Data0000.dat")
    index = case / "x" / "Slidedat.ini"
    index.write_bytes(b"\xef\xbb\xbfFILE_0=../../secret.jpg\n" + index.read_bytes())
    with pytest.raises(SlideUnsafeError):
        named_files(path)


@pytest.mark.parametrize("name", ["s.vms", "s.vmu", "s.svs", "s.tif", "s.dcm", "s", "s.mrxs", "s.MRXS"])
def test_a_hamamatsu_index_is_told_by_its_content(case, name):
    """OpenSlide does not ask for a suffix either."""
    with pytest.raises(SlideUnsafeError):
        open_slide(vms(case / name, "../secret.jpg"))


@pytest.mark.parametrize("name", ["a\\s.jpg", "a\\\\.jpg"])
def test_escapes_of_key_files_are_refused(case, name):
    with pytest.raises(SlideUnsafeError):
        named_files(vms(case / "s.vms", name))


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
@pytest.mark.parametrize("index", ["mirax", "vms"])
def test_a_name_leads_to_a_regular_file_only(case, kind, index):
    path = mirax(case, b"Data0000.dat") if index == "mirax" else vms(case / "s.vms", "Data0000.dat")
    target = (case / "x" if index == "mirax" else case) / "Data0000.dat"
    if kind == "link":
        target.symlink_to(case.parent / "secret.jpg")
    elif kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif os.geteuid() != 0:
        pytest.skip("only root makes a device")
    else:
        os.mknod(target, 0o600 | 0o020000, os.makedev(1, 5))
    with pytest.raises(SlideUnsafeError):
        open_slide(path)


def test_the_index_and_its_folder_are_no_links_either(case):
    path = mirax(case, b"secret.jpg")
    (case / "x" / "Slidedat.ini").rename(case / "other.ini")
    (case / "x" / "Slidedat.ini").symlink_to(case / "other.ini")
    with pytest.raises(SlideUnsafeError):
        named_files(path)
    (case / "x" / "Slidedat.ini").unlink()
    (case / "other.ini").rename(case / "x" / "Slidedat.ini")
    shutil.move(case / "x", case.parent / "elsewhere")
    (case.parent / "elsewhere" / "secret.jpg").write_bytes(jpeg())
    (case / "x").symlink_to(case.parent / "elsewhere")
    assert shows_secret(path)
    with pytest.raises(SlideUnsafeError):
        named_files(path)


def test_a_mirax_without_a_name_has_no_folder_of_its_own(case):
    path = mirax(case, b"secret.jpg")
    for file in (case / "x").iterdir():
        file.rename(case / file.name)
    (case / "secret.jpg").write_bytes(jpeg())
    path.rename(case / ".mrxs")
    assert shows_secret(case / ".mrxs")
    with pytest.raises(SlideUnsafeError):
        open_slide(case / ".mrxs")


def test_a_pipe_in_place_of_the_slide_keeps_nobody_waiting(case):
    os.mkfifo(case / "s.vms")
    with pytest.raises(NotASlideError):
        named_files(case / "s.vms")


def test_a_large_file_is_no_index(case):
    path = vms(case / "s.vms", "../secret.jpg")
    with path.open("ab") as file:
        file.write(b"\n" * 65536)
    assert named_files(path) == []
    with pytest.raises(OpenSlideError):
        OpenSlide(path)
