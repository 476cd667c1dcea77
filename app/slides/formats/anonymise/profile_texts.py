"""Removes texts from ICC profiles; the data for computing colours stays, byte for byte.

Source: ICC.1 (profile version 4), sections 7.2 (header), 7.3 (tag table), 9 and 10 (tags and their types).
"""

import struct

_HEAD_BYTES, _ENTRY = 128, struct.Struct(">4sII")
_TAGS = frozenset(
    {
        b"rXYZ",
        b"gXYZ",
        b"bXYZ",
        b"rTRC",
        b"gTRC",
        b"bTRC",
        b"kTRC",
        b"wtpt",
        b"bkpt",
        b"chad",
        b"chrm",
        b"lumi",
        b"gamt",
    }
    | {name + digit for name in (b"A2B", b"B2A", b"pre", b"D2B", b"B2D") for digit in (b"0", b"1", b"2", b"3")}
)
_TYPES = frozenset({b"XYZ ", b"curv", b"para", b"sf32", b"chrm", b"mft1", b"mft2", b"mAB ", b"mBA ", b"mpet"})
"""None of them holds text."""
_DATE, _PLATFORM_TO_CREATOR, _ID_AND_RESERVED = slice(24, 36), slice(48, 64), slice(80, 128)
_TAGS_MAX = 200


def without_texts(profile: bytes) -> bytes:
    """The profile without texts, of the same length; empty if it is unusable.

    Description, copyright, names of device and maker, date, identifiers and every unknown tag are gone.
    """
    size = int.from_bytes(profile[:4], "big")
    if not _HEAD_BYTES + 4 <= size <= len(profile) or profile[36:40] != b"acsp":
        return b""
    (count,) = struct.unpack_from(">I", profile, _HEAD_BYTES)
    table = _HEAD_BYTES + 4
    if count > _TAGS_MAX or table + count * _ENTRY.size > size:
        return b""
    kept = []
    for name, offset, length in _ENTRY.iter_unpack(profile[table : table + count * _ENTRY.size]):
        if offset + length > size or length < 8:
            return b""
        if name in _TAGS and profile[offset : offset + 4] in _TYPES:
            kept.append((name, offset, length))
    out = bytearray(len(profile))
    out[:_HEAD_BYTES] = profile[:_HEAD_BYTES]
    for part in (slice(4, 8), _DATE, _PLATFORM_TO_CREATOR, _ID_AND_RESERVED):
        out[part] = bytes(part.stop - part.start)
    struct.pack_into(">I", out, _HEAD_BYTES, len(kept))
    for place, (name, offset, length) in enumerate(kept):
        _ENTRY.pack_into(out, table + place * _ENTRY.size, name, offset, length)
        out[offset : offset + length] = profile[offset : offset + length]
    return bytes(out)
