import io

import numpy as np
import pytest
from PIL import Image

from app.slides.dicom_colour import frames_are_mislabelled, jpeg_is_ycbcr

BASELINE = "1.2.840.10008.1.2.4.50"
PIXELS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def jpeg(subsampling: int = 0, keep_rgb: bool = False, jfif: bool = True) -> bytes:
    buffer = io.BytesIO()
    PIXELS.save(buffer, "JPEG", subsampling=subsampling, keep_rgb=keep_rgb)
    data = buffer.getvalue()
    if jfif or data[2:4] != b"\xff\xe0":
        return data
    return data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]


def test_the_jpeg_says_what_it_is():
    assert jpeg_is_ycbcr(jpeg())
    assert jpeg_is_ycbcr(jpeg(subsampling=2, jfif=False))  # unequal sampling gives it away
    assert not jpeg_is_ycbcr(jpeg(jfif=False))  # nothing does: the header is believed
    assert not jpeg_is_ycbcr(jpeg(keep_rgb=True))  # Adobe segment, transform 0
    assert not jpeg_is_ycbcr(b"") and not jpeg_is_ycbcr(jpeg()[:3]) and not jpeg_is_ycbcr(b"\xff\xd8\xff\xff" * 50)


def dicom(path, frame: bytes, offsets: bytes = b""):
    item = b"\xfe\xff\x00\xe0"
    pixels = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    pixels += item + len(offsets).to_bytes(4, "little") + offsets + item + len(frame).to_bytes(4, "little") + frame
    path.write_bytes(bytes(128) + b"DICM" + b"header" * 50 + pixels)
    return path


@pytest.mark.parametrize("offsets", [b"", b"\0\0\0\0"])
def test_only_ycbcr_frames_under_an_rgb_header_are_mislabelled(tmp_path, offsets):
    path = dicom(tmp_path / "a.dcm", jpeg(2), offsets)
    assert frames_are_mislabelled(path, "RGB", BASELINE)
    assert not frames_are_mislabelled(path, "YBR_FULL_422", BASELINE)
    assert not frames_are_mislabelled(path, "RGB", "1.2.840.10008.1.2.4.90")
    assert not frames_are_mislabelled(path, None, None)
    assert not frames_are_mislabelled(dicom(tmp_path / "b.dcm", jpeg(keep_rgb=True), offsets), "RGB", BASELINE)


def test_a_file_without_frames_is_left_alone(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"x" * 500)
    assert not frames_are_mislabelled(tmp_path / "a.dcm", "RGB", BASELINE)
    (tmp_path / "b.dcm").write_bytes(b"x" * 50 + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff")
    assert not frames_are_mislabelled(tmp_path / "b.dcm", "RGB", BASELINE)
