"""Removes comments, EXIF, XMP and bytes after the end from compressed tiles.

Removed bytes become zeros, so that lengths and offsets stay the same. Pixels do not change.
Sources: ITU-T T.81 annex B (JPEG), T.871 (JFIF), T.872 (Adobe's segment); ITU-T T.800 annex A (JPEG 2000).
"""

import re
import zlib

from app.errors import SlideUnsupportedError
from app.slides.formats.tiff.tiff_kind import APERIO_JPEG_2000

_NONE, _JPEG, _DEFLATE = 1, 7, frozenset({8, 32946})
_SOI, _EOI, _SOS, _COM, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xEE
_FRAME = frozenset({*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF})
"""What decoding needs: frame, scan, tables, restart interval."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Within a scan 0xFF is followed by 0 (the byte itself), by 0xFF (filling) or by a restart marker."""
_JFIF_BYTES, _ADOBE_BYTES = 14, 12
"""Lengths of the two segments' values; a longer one holds a thumbnail or something unknown."""
_J2K_SOC, _J2K_EOC, _J2K_SOT, _J2K_SOD, _J2K_COM = b"\xff\x4f", b"\xff\xd9", 0x90, 0x93, 0x64
_J2K_NEEDED = frozenset({0x50, 0x51, 0x52, 0x53, 0x5C, 0x5D, 0x5E, 0x5F, 0x55, 0x57, 0x58, 0x60, 0x61, 0x63, 0x90})


def without_comments(tile: bytes, compression: int | None, pixel_bytes: int) -> bytes:
    """The cleaned tile, of the same length. ``pixel_bytes``: its size once decoded.

    Raises SlideUnsupportedError for a compression or a stream that is not understood.
    """
    if not tile:
        return tile
    if compression == _JPEG:
        return clean_jpeg(tile)
    if compression in APERIO_JPEG_2000:
        return _clean_j2k(tile)
    if compression in {None, _NONE}:
        return tile[:pixel_bytes].ljust(len(tile), b"\0")
    if compression in _DEFLATE:
        return _clean_deflate(tile, pixel_bytes)
    raise SlideUnsupportedError(
        f"Tiles of TIFF compression {compression} cannot be searched for comments. Convert the slide to JPEG tiles."
    )


def clean_jpeg(stream: bytes) -> bytes:
    """A JPEG stream (or a tables-only stream), reduced to the parts that decoding needs."""
    out = bytearray(len(stream))
    if stream[:2] != bytes((0xFF, _SOI)):
        raise _not_understood()
    out[:2] = stream[:2]
    at = 2
    while True:
        while stream[at : at + 2] == b"\xff\xff":  # filling before a marker
            out[at] = 0xFF
            at += 1
        if at + 2 > len(stream) or stream[at] != 0xFF:
            raise _not_understood()
        marker = stream[at + 1]
        if marker == _EOI:
            out[at : at + 2] = stream[at : at + 2]
            return bytes(out)
        if marker in _ALONE:
            out[at : at + 2] = stream[at : at + 2]
            at += 2
            continue
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if not at + 4 <= end <= len(stream):
            raise _not_understood()
        out[at : at + 4] = stream[at : at + 4]
        kept = _kept(marker, stream[at + 4 : end])
        out[at + 4 : at + 4 + len(kept)] = kept
        if marker == _SOS:
            found = _NEXT_MARKER.search(stream, end)
            if found is None:
                raise _not_understood()
            out[end : found.start()] = stream[end : found.start()]
            end = found.start()
        at = end


def _kept(marker: int, value: bytes) -> bytes:
    """The part of a segment's value to keep, from its start."""
    if marker in _FRAME:
        return value
    if marker == _APP0 and value.startswith(b"JFIF\0") and len(value) >= _JFIF_BYTES:
        return value[: _JFIF_BYTES - 2]  # a thumbnail of no size
    if marker == _APP14 and value.startswith(b"Adobe"):
        return value[:_ADOBE_BYTES]
    return b""


def _clean_j2k(stream: bytes) -> bytes:
    """A JPEG 2000 codestream without the values of its comments."""
    if not stream.startswith(_J2K_SOC):
        raise _not_understood()
    out = bytearray(len(stream))
    out[:2] = stream[:2]
    at, part_start, part_end = 2, 0, 0
    while stream[at : at + 2] != _J2K_EOC:
        if at + 2 > len(stream) or stream[at] != 0xFF:
            raise _not_understood()
        marker = stream[at + 1]
        if marker == _J2K_SOD:
            end = part_end if part_end > part_start else stream.find(_J2K_EOC, at)  # which no packet can hold
            if not at + 2 <= end <= len(stream):
                raise _not_understood()
            out[at:end] = stream[at:end]
            at = end
            if at == len(stream):
                return bytes(out)  # some writers leave the end out
            continue
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if not at + 4 <= end <= len(stream) or marker not in {*_J2K_NEEDED, _J2K_COM}:
            raise _not_understood()
        out[at : at + 4] = stream[at : at + 4]
        if marker != _J2K_COM:
            out[at + 4 : end] = stream[at + 4 : end]
        if marker == _J2K_SOT:
            part_start, part_end = at, at + int.from_bytes(stream[at + 6 : at + 10], "big")
        at = end
    out[at : at + 2] = _J2K_EOC
    return bytes(out)


def _clean_deflate(tile: bytes, pixel_bytes: int) -> bytes:
    decoder = zlib.decompressobj()
    try:
        decoder.decompress(tile, pixel_bytes + 1)
    except zlib.error as error:
        raise _not_understood() from error
    if not decoder.eof:
        raise _not_understood()
    return tile[: len(tile) - len(decoder.unused_data)].ljust(len(tile), b"\0")


def _not_understood() -> SlideUnsupportedError:
    return SlideUnsupportedError(
        "A tile of the slide is coded in an unknown way and could hold a comment. Convert the slide to JPEG tiles."
    )
