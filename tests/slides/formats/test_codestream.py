import io

import numpy as np
from PIL import Image

from app.slides.formats.codestream import is_jp2_file, jpeg2000_colours, jpeg_colours

PIXELS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def jpeg(subsampling: int = 0, keep_rgb: bool = False, jfif: bool = True) -> bytes:
    buffer = io.BytesIO()
    PIXELS.save(buffer, "JPEG", subsampling=subsampling, keep_rgb=keep_rgb)
    data = buffer.getvalue()
    return data if jfif or data[2:4] != b"\xff\xe0" else data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]


def adobe(transform: int) -> bytes:
    return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])


def with_ids(data: bytes, ids: bytes) -> bytes:
    """The JPEG with other component ids in its frame header."""
    frame = data.index(b"\xff\xc0") + 10
    parts = [ids[number : number + 1] + data[frame + 3 * number + 1 : frame + 3 * number + 3] for number in range(3)]
    return data[:frame] + b"".join(parts) + data[frame + 9 :]


def test_a_jpeg_says_what_it_is():
    bare = jpeg(jfif=False)
    assert jpeg_colours(jpeg()) == "ycbcr"
    assert jpeg_colours(jpeg(subsampling=2, jfif=False)) == "ycbcr"  # R, G and B are sampled alike
    assert jpeg_colours(bare) is None  # the header is believed
    assert jpeg_colours(jpeg(keep_rgb=True)) == "rgb"
    assert jpeg_colours(bare[:2] + adobe(0) + bare[2:]) == "rgb"
    assert jpeg_colours(bare[:2] + adobe(1) + bare[2:]) == "ycbcr"
    assert jpeg_colours(jpeg()[:2] + adobe(0) + jpeg()[2:]) is None  # JFIF contradicts it
    assert jpeg_colours(with_ids(bare, b"RGB")) == "rgb"
    assert jpeg_colours(with_ids(bare, b"\0\1\2")) is None  # as Aperio writes RGB


def test_no_jpeg_says_nothing():
    for data in (b"", jpeg()[:3], jpeg()[:40], b"\xff\xd8\xff\xff" * 50, b"\xff\xd8\xff\xda\0\x08" + bytes(20)):
        assert jpeg_colours(data) is None
    buffer = io.BytesIO()
    PIXELS.convert("L").save(buffer, "JPEG")
    assert jpeg_colours(buffer.getvalue()) is None


def jpeg2000(mct: int, no_jp2: bool = True) -> bytes:
    buffer = io.BytesIO()
    PIXELS.save(buffer, "JPEG2000", no_jp2=no_jp2, mct=mct)
    return buffer.getvalue()


def subsampled(data: bytes) -> bytes:
    """The codestream with Cb and Cr said to be sampled at every second column."""
    at = data.index(b"\xff\x51") + 4 + 36
    changed = bytearray(data)
    changed[at + 4] = changed[at + 7] = 2
    return bytes(changed)


def test_a_codestream_says_what_comes_out_of_it():
    assert jpeg2000_colours(jpeg2000(1)) == "rgb"
    assert jpeg2000_colours(jpeg2000(0)) is None
    assert jpeg2000_colours(subsampled(jpeg2000(0))) == "ycbcr"
    for data in (b"", jpeg2000(1)[:30], jpeg2000(1, no_jp2=False), b"\xff\x4f" + bytes(50)):
        assert jpeg2000_colours(data) is None
    assert is_jp2_file(jpeg2000(1, no_jp2=False)) and not is_jp2_file(jpeg2000(1))
