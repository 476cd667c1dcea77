"""How large a zip says its directory is, read from its last bytes (APPNOTE.TXT 4.3.14 to 4.3.16)."""

import struct
from pathlib import Path

from app.errors import ArchiveInvalidError

_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_COMMENT_MAX_BYTES = 65535


def directory_extent(path: Path) -> tuple[int, int]:
    """(entries, bytes) of the central directory. Raises ArchiveInvalidError where the file is no whole zip."""
    size = path.stat().st_size
    with path.open("rb") as file:
        tail_bytes = min(size, _END.size + _LOCATOR.size + _COMMENT_MAX_BYTES)
        file.seek(size - tail_bytes)
        tail = file.read(tail_bytes)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or at + _END.size > len(tail):
            raise ArchiveInvalidError("The zip has no end: it was cut off or is no zip. Send it again.")
        *_, entries, directory_bytes, _offset, _comment = _END.unpack_from(tail, at)
        locator_at = at - _LOCATOR.size
        if locator_at >= 0 and tail[locator_at : locator_at + 4] == b"PK\x06\x07":
            _, _, end64_at, _ = _LOCATOR.unpack_from(tail, locator_at)
            file.seek(min(end64_at, size))
            end64 = file.read(_END64.size)
            if len(end64) < _END64.size or not end64.startswith(b"PK\x06\x06"):
                raise ArchiveInvalidError("The zip's directory is damaged. Send it again.")
            fields = _END64.unpack(end64)
            entries, directory_bytes = fields[7], fields[8]
    return entries, directory_bytes
