"""Stripped copies: the pyramid to the last byte, and of the rest not one."""

import struct
import zlib

import numpy as np
import openslide
import pytest

from app.errors import RequestInvalidError, SlideCorruptError, SlideError
from app.slides.strip import strip_slide
from tests.service import ROOT

LABEL, MACRO, THUMB, HIDDEN = b"LABEL-OF-DOE-JOHN" * 9, b"MACRO-WITH-LABEL" * 9, b"THUMBNAIL" * 9, b"BETWEEN-IMAGES" * 9
APERIO = (
    b"Aperio Image Library v12.0.0\r\n64x64 (16x16) RAW|AppMag = 20|MPP = 0.5|Filename = S26-77 Doe|User = smith|"
    b"Date = 11/23/26|Barcode = 4711|Title = Doe^John\0"
)


class Writer:
    """TIFF and BigTIFF in both byte orders, written without a line of the code under test."""

    def __init__(self, order: str, big: bool) -> None:
        self.order, self.big, self.number = order, big, order + ("Q" if big else "I")
        mark = b"II" if order == "<" else b"MM"
        head = struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)
        self.data = bytearray(mark + head)
        self.link = len(self.data) - struct.calcsize(self.number)

    def put(self, data: bytes) -> int:
        self.data += b"\0" * (-len(self.data) % 16)
        self.data += data
        return len(self.data) - len(data)

    def directory(self, tags: dict[int, tuple[int, bytes]]) -> None:
        size = struct.calcsize(self.number)
        entries = []
        for tag, (kind, value) in sorted(tags.items()):
            count = len(value) // {2: 1, 3: 2, 4: 4}[kind]
            inline = value.ljust(size, b"\0") if len(value) <= size else struct.pack(self.number, self.put(value))
            entries.append(struct.pack(self.order + ("HHQ" if self.big else "HHI"), tag, kind, count) + inline)
        count = struct.pack(self.order + ("Q" if self.big else "H"), len(entries))
        at = self.put(count + b"".join(entries) + struct.pack(self.number, 0))
        struct.pack_into(self.number, self.data, self.link, at)
        self.link = len(self.data) - size

    def short(self, *numbers: int) -> tuple[int, bytes]:
        return 3, struct.pack(f"{self.order}{len(numbers)}H", *numbers)

    def long(self, *numbers: int) -> tuple[int, bytes]:
        return 4, struct.pack(f"{self.order}{len(numbers)}I", *numbers)

    def image(self, width: int, height: int, description: bytes, more: dict[int, tuple[int, bytes]]) -> None:
        common = {256: self.short(width), 257: self.short(height), 258: self.short(8, 8, 8), 259: self.short(1)}
        common |= {262: self.short(2), 277: self.short(3), 284: self.short(1), 270: (2, description)}
        self.directory(common | more)

    def tiled(self, pixels: np.ndarray, description: bytes) -> None:
        height, width = pixels.shape[:2]
        corners = [(y, x) for y in range(0, height, 16) for x in range(0, width, 16)]
        tiles = [zlib.compress(pixels[y : y + 16, x : x + 16].tobytes()) for y, x in corners]
        more = {322: self.short(16), 323: self.short(16), 259: self.short(8)}
        more |= {324: self.long(*map(self.put, tiles)), 325: self.long(*map(len, tiles))}
        named = {315: (2, b"Dr. Smith\0"), 306: (2, b"2026:11:23 08:00:00\0")}
        self.image(width, height, description, more | named)

    def stripped_image(self, data: bytes, description: bytes, subfile: int) -> None:
        strip = {273: self.long(self.put(data)), 279: self.long(len(data)), 278: self.short(1), 254: self.long(subfile)}
        self.image(len(data) // 3, 1, description, strip)


LEVELS = [(64, 64), (32, 32)]


@pytest.fixture(params=[("<", False), ("<", True), (">", True)], ids=["tiff", "big", "big-endian"])
def slide(request, tmp_path):
    """(path, its pixels). Classic TIFF in big-endian order is missing: OpenSlide does not read it."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    out = Writer(*request.param)
    out.tiled(pixels, APERIO)
    out.stripped_image(THUMB, b"Aperio Image Library\r\n64x64 -> 51x1 - |Filename = S26-77 Doe\0", 0)
    out.tiled(pixels[::2, ::2], b"Aperio Image Library\r\n64x64 -> 32x32\0")
    out.put(HIDDEN)
    out.stripped_image(LABEL, b"Aperio Image Library\r\nlabel 51x1\0", 1)
    out.stripped_image(MACRO, b"Aperio Image Library\r\nmacro 48x1\0", 9)
    path = tmp_path / "S26-77 Doe.svs"
    path.write_bytes(out.data)
    return path, pixels


def test_the_pyramid_stays_and_everything_else_goes(slide, tmp_path):
    path, pixels = slide
    before = path.read_bytes()
    copy = tmp_path / "copy.svs"
    found = strip_slide(path, copy, vendor="aperio", level_sizes=LEVELS)
    assert (found.kept, found.removed) == (2, 3)
    with openslide.OpenSlide(copy) as opened:
        assert dict(opened.associated_images) == {}
        assert (opened.dimensions, opened.properties["openslide.vendor"]) == ((64, 64), "aperio")
        assert (opened.properties["aperio.AppMag"], opened.properties["openslide.mpp-x"]) == ("20", "0.5")
        assert np.array_equal(np.asarray(opened.read_region((0, 0), 0, (64, 64)))[..., :3], pixels)
    data = copy.read_bytes()
    for word in (
        b"LABEL",
        b"MACRO",
        b"THUMB",
        b"BETWEEN",
        b"Doe",
        b"S26",
        b"smith",
        b"Smith",
        b"2026",
        b"11/23",
        b"4711",
    ):
        assert word in before and word not in data, word
    assert path.read_bytes() == before


def test_a_tiled_label_of_the_slides_shape_goes_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    label = np.full((48, 48, 3), 77, np.uint8)
    out = Writer("<", False)
    out.tiled(pixels, b"a scan")
    out.tiled(pixels[::2, ::2], b"half of it")
    out.tiled(label, b"label")
    (tmp_path / "a.tif").write_bytes(out.data)
    found = strip_slide(tmp_path / "a.tif", tmp_path / "b.tif", vendor="generic-tiff", level_sizes=LEVELS)
    assert (found.kept, found.removed) == (2, 1)
    secret = zlib.compress(label[:16, :16].tobytes())
    assert secret in (tmp_path / "a.tif").read_bytes()
    assert secret not in (tmp_path / "b.tif").read_bytes()


def test_nothing_is_overwritten_and_nothing_half_done_stays(slide, tmp_path):
    path, _ = slide
    copy = tmp_path / "copy.svs"
    copy.write_text("somebody's")
    with pytest.raises(RequestInvalidError):
        strip_slide(path, copy, vendor="aperio", level_sizes=LEVELS)
    assert copy.read_text() == "somebody's"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(SlideCorruptError):
        strip_slide(path, tmp_path / "other.svs", vendor="aperio", level_sizes=LEVELS)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["S26-77 Doe.svs", "copy.svs"]


@pytest.mark.parametrize("vendor", ["philips", "hamamatsu", "leica", "ventana", "trestle", "unknown"])
def test_formats_that_keep_labels_elsewhere_are_refused(slide, tmp_path, vendor):
    with pytest.raises(SlideError, match="Only SVS"):
        strip_slide(slide[0], tmp_path / "copy.svs", vendor=vendor, level_sizes=LEVELS)


def test_no_line_of_the_service_reads_labels():
    """OpenSlide gives label and macro under one name, which nothing in the service says."""
    sources = list((ROOT / "app").rglob("*.py"))
    assert len(sources) > 100
    assert [path.name for path in sources if "associated_image" in path.read_text()] == []
