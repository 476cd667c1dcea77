"""The meaning of a compressed tile's three channels by its codestream, whatever the container's header says.

Sources: ITU-T T.871 (a JFIF file is YCbCr), ITU-T T.872 (Adobe's APP14 names the transform), libjpeg's reading of the
component ids 'R', 'G', 'B'; ITU-T T.800, annex A (SIZ: sampling of the components, COD: multiple component transform).
"""

from collections.abc import Iterator
from typing import Literal

Colours = Literal["rgb", "ycbcr"]
HEAD_BYTES = 65536
"""The first bytes of a tile, which hold its main header."""
_APP0, _APP14, _SOS = 0xE0, 0xEE, 0xDA
_SOF = frozenset({0xC0, 0xC1, 0xC2})
_SOC, _SIZ, _COD, _SOT = 0xFF4F, 0xFF51, 0xFF52, 0xFF90
_JP2_SIGNATURE = b"\0\0\0\x0cjP  "


def jpeg_colours(head: bytes) -> Colours | None:
    """The colours of a JPEG of three components, from its first bytes; None if not stated."""
    is_jfif, adobe = False, None
    for marker, body in _segments(head):
        if marker == _APP0 and body.startswith(b"JFIF\0"):
            is_jfif = True
        if marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        if marker in _SOF and len(body) >= 15:
            return _of_frame(body, is_jfif, adobe) if body[5] == 3 else None
    return None


def is_dct_jpeg(data: bytes) -> bool:
    """Whether a JPEG is DCT-based with Huffman coding: neither lossless nor arithmetic."""
    return any(marker in _SOF for marker, _ in _segments(data))


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, body) of each segment of a JPEG before its first scan, as far as ``data`` holds."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SOS:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : at + 2 + length]
        at += 2 + length


def _of_frame(body: bytes, is_jfif: bool, adobe: int | None) -> Colours | None:
    """``body``: of the frame header. If JFIF and Adobe markers contradict each other, the answer is None."""
    if adobe in {0, 1}:
        colours: Colours = "ycbcr" if adobe else "rgb"
        return None if is_jfif and colours == "rgb" else colours
    if is_jfif:
        return "ycbcr"
    components = [body[at : at + 3] for at in (6, 9, 12)]
    if bytes(part[0] for part in components) == b"RGB":
        return "rgb"
    return "ycbcr" if len({part[1] for part in components}) > 1 else None


def jpeg2000_colours(head: bytes) -> Colours | None:
    """The colours of a decoded JPEG 2000 codestream of three components, from its first bytes; None if not stated.

    A decoder undoes the codestream's own transform, so that what comes out then is RGB.
    """
    at, subsampled = 2, False
    if int.from_bytes(head[:2], "big") != _SOC:
        return None
    while at + 4 <= len(head):
        marker, length = (int.from_bytes(head[at + part : at + part + 2], "big") for part in (0, 2))
        body = head[at + 4 : at + 2 + length]
        if marker == _SIZ and len(body) >= 45:
            if int.from_bytes(body[34:36], "big") != 3:
                return None
            subsampled = len({body[place : place + 2] for place in (37, 40, 43)}) > 1
        if marker == _COD and len(body) >= 5:
            if body[4] == 1:
                return "rgb"
            return "ycbcr" if subsampled else None
        if marker == _SOT:
            return None
        at += 2 + length
    return None


def is_jp2_file(head: bytes) -> bool:
    """Whether the tile is a JP2 file instead of a bare codestream."""
    return head.startswith(_JP2_SIGNATURE)
