"""Chooses the names under which a zip's files are written: their own if plain, else generated names.

Only an index file needs the names of other files, and scanners give those plain ones. So a name never refuses a slide,
except one that leads out of the folder.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from zipfile import ZipInfo

from app.errors import ArchiveUnsafeError
from app.slides.formats.files import is_clutter

_DEPTH_MAX = 16
_PART_BYTES_MAX = 120
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_UTF8 = 0x800
_NO_LETTERS_BACKSLASH = r"(?<![^\x00-\x7f])\\"
"""Windows PowerShell 5 separates by backslashes alone. In names without the UTF-8 flag one after a byte beyond ASCII
belongs to that letter: so it is in Shift-JIS and GBK."""
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,64}")


def target_names(entries: Sequence[ZipInfo]) -> list[PurePosixPath | None]:
    """The target path of each of ``entries``: relative, plain, at most 16 folders deep.

    None for what file managers leave behind. Equal names stay equal, and a folder keeps the name of the index file that
    it belongs to. Raises ArchiveUnsafeError for a name that is absolute, climbs or is too deep.
    """
    is_windows = not any("/" in entry.orig_filename for entry in entries)
    return [_target(entry, is_windows=is_windows) for entry in entries]


def _target(entry: ZipInfo, *, is_windows: bool) -> PurePosixPath | None:
    name = entry.orig_filename
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        raise ArchiveUnsafeError("A name in the zip is absolute. Pack the slide's folder with relative names.")
    if ".." in re.split(r"[/\\]", name):
        raise ArchiveUnsafeError("A name in the zip points outside its folder (..). Pack the slide's folder again.")
    is_utf8 = bool(entry.flag_bits & _UTF8)
    separator = "/" if not is_windows else r"\\" if is_utf8 else _NO_LETTERS_BACKSLASH
    parts = [part for part in re.split(separator, name) if part not in {"", "."}]
    if not parts or is_clutter(parts):
        return None
    if len(parts) > _DEPTH_MAX:
        raise ArchiveUnsafeError(f"The zip has folders more than {_DEPTH_MAX} deep. Pack the slide's own folder.")
    stem, suffix = _split(parts[-1])
    return PurePosixPath(*map(_plain, parts[:-1]), _plain(stem) + suffix)


def _split(name: str) -> tuple[str, str]:
    suffix = PurePosixPath(name).suffix
    return (name[: -len(suffix)], suffix) if _SUFFIX.fullmatch(suffix) else (name, "")


def _plain(part: str) -> str:
    """``part``, or a name made from its hash if it has characters unsafe for file systems or libraries."""
    is_plain = part.isprintable() and not {"\\", ":", "/"} & {*part} and len(part.encode()) <= _PART_BYTES_MAX
    return part if is_plain else f"name-{hashlib.sha256(part.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
