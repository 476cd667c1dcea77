"""Stripped copies: the pyramid to the last byte, and of the rest not one."""

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import openslide
import pytest
from PIL import Image, ImageCms

from app.errors import RequestInvalidError, SlideCorruptError, SlideError, SlideUnsupportedError
from app.slides.formats.anonymise.profile_texts import without_texts
from app.slides.formats.anonymise.strip import strip_slide
from app.slides.formats.anonymise.tile_comments import without_comments
from app.slides.formats.opening import open_slide
from app.slides.types import SlideInfo
from tests.service import ROOT
from tests.slides.make_pyramid import jpeg_page, label, look, tissue
from tests.slides.make_tiff import page, write_tiff
from tests.slides.pixels import shrunk

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


def picture() -> np.ndarray:
    """uint8 [64, 64, 3] in which a level shows the same as level 0."""
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1)


def info_of(path: Path) -> SlideInfo:
    with open_slide(path, 0.5) as opened:
        return opened.info


@pytest.fixture(params=[("<", False), ("<", True), (">", True)], ids=["tiff", "big", "big-endian"])
def slide(request, tmp_path):
    """(path, its pixels). Classic TIFF in big-endian order is missing: OpenSlide does not read it."""
    pixels = picture()
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
    found = strip_slide(path, copy, info_of(path))
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


def test_nothing_is_overwritten_and_nothing_half_done_stays(slide, tmp_path):
    path, _ = slide
    copy = tmp_path / "copy.svs"
    copy.write_text("somebody's")
    info = info_of(path)
    with pytest.raises(RequestInvalidError):
        strip_slide(path, copy, info)
    assert copy.read_text() == "somebody's"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(SlideCorruptError):
        strip_slide(path, tmp_path / "other.svs", info)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["S26-77 Doe.svs", "copy.svs"]


@pytest.mark.parametrize("vendor", ["philips", "hamamatsu", "leica", "ventana", "trestle", "unknown"])
def test_formats_that_keep_labels_elsewhere_are_refused(slide, tmp_path, vendor):
    with pytest.raises(SlideError, match="Only SVS"):
        strip_slide(slide[0], tmp_path / "copy.svs", replace(info_of(slide[0]), vendor=vendor))


def test_no_line_of_the_service_reads_labels():
    """OpenSlide gives label and macro under one name, which nothing in the service says."""
    sources = list((ROOT / "app").rglob("*.py"))
    assert len(sources) > 100
    assert [path.name for path in sources if "associated_image" in path.read_text()] == []


SECRET = b"PATIENT DOE JANE S26-1234"


def segment(marker: int, value: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(value) + 2) + value


def with_secrets(stream: bytes) -> bytes:
    """The JPEG with a comment, EXIF, XMP, Photoshop's and unknown segments, and text after its end."""
    said = segment(0xFE, SECRET) + segment(0xE1, b"Exif\0\0" + SECRET) + segment(0xED, b"Photoshop 3.0\0" + SECRET)
    said += segment(0xE0, b"JFXX\0" + SECRET) + segment(0xE5, SECRET)
    scan = stream.index(b"\xff\xda")
    return stream[:2] + said + stream[2:scan] + segment(0xFE, SECRET) + stream[scan:] + SECRET


def j2k_with_secrets(stream: bytes) -> bytes:
    """The JPEG 2000 codestream with a comment in its main header and in each tile-part's, and text after its end."""
    comment = b"\xff\x64" + struct.pack(">HH", len(SECRET) + 4, 1) + SECRET
    part = stream.index(b"\xff\x90")
    (length,) = struct.unpack_from(">I", stream, part + 6)
    assert length == len(stream) - 2 - part  # one tile-part
    header = stream[part : part + 6] + struct.pack(">I", length + len(comment)) + stream[part + 10 : part + 12]
    return stream[:part] + comment + header + comment + stream[part + 12 :] + SECRET


def jpeg(tile) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG", quality=90, subsampling=0, progressive=bool(tile.mean() > 150))
    return with_secrets(buffer.getvalue())


def j2k(tile) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG2000", no_jp2=True, mct=1)
    return j2k_with_secrets(buffer.getvalue())


def deflate(tile) -> bytes:
    return zlib.compress(tile.tobytes()) + SECRET


KINDS = {
    "jpeg": ({259: 7, 262: 6, 530: (1, 1)}, jpeg),
    "jpeg 2000": ({259: 33005}, j2k),
    "deflate": ({259: 8}, deflate),
    "raw": ({}, lambda tile: tile.tobytes()),  # libtiff reads none that is longer
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_into_tiles_goes_and_the_pixels_stay(tmp_path, kind):
    tags, encode = KINDS[kind]
    tags = tags | {270: APERIO, 34675: profile_with_secrets(), 700: SECRET, 33432: SECRET, 317: SECRET}
    pixels = tissue(600, 500)
    pages = [page(shrunk(pixels, n), tags, encode) for n in (1, 2)]
    path, copy = write_tiff(tmp_path / "a.svs", pages), tmp_path / "b.svs"
    before = path.read_bytes()
    assert before.count(SECRET) >= 8
    found = strip_slide(path, copy, info_of(path))
    assert (found.kept, found.removed) == (2, 0)
    after = copy.read_bytes()
    assert len(after) == len(before)
    for word in (SECRET, SECRET[8:], b"DOE", b"JANE", b"S26", b"smith", b"Doe"):
        assert word not in after, word
    look(copy).assert_same(look(path))
    with openslide.OpenSlide(path) as theirs, openslide.OpenSlide(copy) as mine:
        for level, size in enumerate(theirs.level_dimensions):
            assert mine.read_region((0, 0), level, size).tobytes() == theirs.read_region((0, 0), level, size).tobytes()


def profile_with_secrets() -> bytes:
    """sRGB with red and green exchanged, as a scanner's: its texts, maker, date and a private tag name a patient."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", data, 128)
    entries = [struct.unpack_from(">4sII", data, 132 + 12 * number) for number in range(count)]
    swap = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
    table = [(swap.get(name, name), offset + 24, length) for name, offset, length in entries]
    body = bytes(data[132 + 12 * count :])
    texts = (b"dmnd", b"priv")
    at = 132 + 12 * count + 24 + len(body)
    table += [(name, at + 40 * place, 8 + len(SECRET)) for place, name in enumerate(texts)]
    body += b"".join((b"text\0\0\0\0" + SECRET).ljust(40, b"\0") for _ in texts)
    head = data[:128] + struct.pack(">I", count + 2) + b"".join(struct.pack(">4sII", *entry) for entry in table)
    head[80:84], head[100:125] = b"DOE\0", SECRET
    struct.pack_into(">I", head, 0, len(head) + len(body))
    return bytes(head) + body


def test_a_profile_without_texts_gives_the_same_colours():
    old = profile_with_secrets()
    new = without_texts(old)
    assert len(new) == len(old) and SECRET in old
    for word in (SECRET, b"DOE", b"JANE", b"FileSave", b"sRGB", b"text", b"mluc", b"desc"):
        assert word not in new, word
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    srgb = ImageCms.createProfile("sRGB")
    changed = [
        np.asarray(ImageCms.profileToProfile(colours, ImageCms.ImageCmsProfile(io.BytesIO(data)), srgb))
        for data in (old, new)
    ]
    assert np.array_equal(*changed)
    assert not np.array_equal(changed[0], np.asarray(colours))


@pytest.mark.parametrize("damage", [slice(0, 4), slice(36, 40), slice(128, 132), slice(136, 140)])
def test_a_profile_that_makes_no_sense_goes(damage):
    data = bytearray(profile_with_secrets())
    data[damage] = b"\xff\xff\xff\xff"
    assert without_texts(bytes(data)) == b""


@pytest.mark.parametrize("flag", [0, 1, 8, 9])
@pytest.mark.parametrize("svs", [False, True], ids=["tiff", "svs"])
@pytest.mark.parametrize("size", [(300, 225), (200, 150), (201, 150), (400, 300)])
def test_no_label_stays_in_the_copy_however_flagged_and_shaped(tmp_path, flag, svs, size):
    pixels, description = tissue(1600, 1200), APERIO if svs else None
    pages = [jpeg_page(shrunk(pixels, n), 0 if svs or n == 1 else 1, description) for n in (1, 2, 4)]
    pages.append(jpeg_page(label(*size), flag, b"label\0" if size == (201, 150) else None))
    path, copy = write_tiff(tmp_path / "a.tif", pages), tmp_path / "b.tif"
    found = strip_slide(path, copy, info_of(path))
    assert (found.kept, found.removed) == (3, 1)
    data = copy.read_bytes()
    assert all(tile in path.read_bytes() and tile[600:] not in data for tile in pages[-1].tiles)
    with openslide.OpenSlide(copy) as opened:
        assert opened.level_count == 3 and dict(opened.associated_images) == {}
    look(copy).assert_same(look(path))


@pytest.mark.parametrize("compression", [5, 32773, 50000])
def test_tiles_that_cannot_be_searched_are_refused(tmp_path, compression):
    path = write_tiff(tmp_path / "a.tif", [page(tissue(300, 300), {270: APERIO})])
    info = info_of(path)
    write_tiff(tmp_path / "a.tif", [page(tissue(300, 300), {270: APERIO, 259: compression})])
    with pytest.raises(SlideUnsupportedError, match=str(compression)):
        strip_slide(path, tmp_path / "b.tif", info)
    assert [found.name for found in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize(
    "stream", [b"\xff\xd8", b"\xff\xd8" + SECRET, b"no JPEG", b"\xff\xd8\xff\xfe\xff\xff", b"\xff\xd8\xff"]
)
def test_a_stream_that_is_not_understood_is_refused(stream):
    with pytest.raises(SlideUnsupportedError):
        without_comments(stream, 7, 100)
    with pytest.raises(SlideUnsupportedError):
        without_comments(b"\xff\x4f" + stream, 33005, 100)
