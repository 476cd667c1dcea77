"""DICOM slides whose JPEG frames are YCbCr while the header says RGB.

Converters are known to write this, and OpenSlide obeys the header: pink tissue turns teal on salmon. What the
frames are is told by the JPEG itself: JFIF is YCbCr by definition (ITU-T T.871), an Adobe segment says which
(ITU-T T.872), and channels of unequal sampling cannot be R, G and B.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

_RGB = "RGB"
_JPEG_SYNTAXES = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
_PIXEL_DATA = tuple(b"\xe0\x7f\x10\x00" + vr + b"\0\0\xff\xff\xff\xff" for vr in (b"OB", b"OW"))
_ITEM = struct.Struct("<4sI")
_ITEM_TAG = b"\xfe\xff\x00\xe0"
_HEAD_BYTES = 65536
_BLOCK_BYTES = 2**20
_SEARCH_BYTES = 2**30
"""Of headers; real ones, a record for each of a million frames included, stay below."""
_APP0, _APP14, _SOS = 0xE0, 0xEE, 0xDA
_SOF = frozenset({0xC0, 0xC1, 0xC2})


def frames_are_mislabelled(path: Path, photometric: str | None, transfer_syntax: str | None) -> bool:
    """Whether the DICOM file at ``path`` calls its frames RGB (``photometric``) although they are YCbCr JPEG."""
    if photometric != _RGB or transfer_syntax not in _JPEG_SYNTAXES:
        return False
    return jpeg_is_ycbcr(_first_frame(path))


def jpeg_is_ycbcr(head: bytes) -> bool:
    """Whether a JPEG of three channels, given by its first bytes, holds YCbCr rather than RGB."""
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        body = head[at + 4 : at + 2 + length]
        if marker == _APP0 and body.startswith(b"JFIF"):
            return True
        if marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            return body[11] == 1
        if marker in _SOF and len(body) >= 15:
            return body[5] == 3 and len({body[7], body[10], body[13]}) > 1
        if marker == _SOS:
            return False
        at += 2 + length
    return False


def _first_frame(path: Path) -> bytes:
    """The first bytes of the first encapsulated frame (PS3.5 A.4); empty where there is none."""
    with path.open("rb") as file:
        start = _find_pixel_data(file)
        if start is None:
            return b""
        file.seek(start)
        for index in range(2):  # the offset table, then the first fragment
            head = file.read(_ITEM.size)
            if len(head) < _ITEM.size:
                return b""
            tag, length = _ITEM.unpack(head)
            if tag != _ITEM_TAG:
                return b""
            if index == 0:
                file.seek(length, os.SEEK_CUR)
        return file.read(min(length, _HEAD_BYTES))


def _find_pixel_data(file: BinaryIO) -> int | None:
    """Where the value of the encapsulated Pixel Data begins; looked for in blocks that overlap by a tag's length."""
    tag_bytes, at, before = len(_PIXEL_DATA[0]), 0, b""
    while at < _SEARCH_BYTES and (block := file.read(_BLOCK_BYTES)):
        data = before + block
        found = [place for tag in _PIXEL_DATA if (place := data.find(tag)) >= 0]
        if found:
            return at - len(before) + min(found) + tag_bytes
        at += len(block)
        before = data[1 - tag_bytes :]
    return None
