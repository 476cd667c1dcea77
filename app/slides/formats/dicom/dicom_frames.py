"""Where the compressed frames of a DICOM file lie (PS3.5, A.4)."""

import struct
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO

_PIXEL_DATA = tuple(b"\xe0\x7f\x10\x00" + vr + b"\0\0\xff\xff\xff\xff" for vr in (b"OB", b"OW"))
_ITEM = struct.Struct("<4sI")
_ITEM_TAG = b"\xfe\xff\x00\xe0"
_BLOCK_BYTES = 2**20
_SEARCH_BYTES = 2**30
"""Longest header; real ones are shorter, even with a record for each of a million frames."""


def first_frame_head(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of the first frame; empty if no frame is encapsulated.

    The frame is found by its tag, because reading a record for each of a million frames would take a minute.
    """
    with path.open("rb") as file:
        for offset, length in _fragments(file):
            file.seek(offset)
            return file.read(min(length, most))
    return b""


def fragment_places(path: Path, most: int) -> list[tuple[int, int]]:
    """Offset in the file and length of the first ``most`` fragments: each frame has one or more, mostly one."""
    with path.open("rb") as file:
        return list(islice(_fragments(file), most))


def _fragments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Items of the encapsulated Pixel Data, without the first, the offset table."""
    at = _find_pixel_data(file)
    for number in count():
        if at is None:
            return
        file.seek(at)
        head = file.read(_ITEM.size)
        if len(head) < _ITEM.size:
            return
        tag, length = _ITEM.unpack(head)
        if tag != _ITEM_TAG:
            return
        at += _ITEM.size + length
        if number:
            yield at - length, length


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
