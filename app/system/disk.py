"""Room on a disk: a part of it stays free for what must not fail, such as records and results."""

import shutil
from pathlib import Path


def has_room(folder: Path, size_bytes: int, *, keep_free_bytes: int) -> bool:
    """Whether ``size_bytes`` more on the file system of ``folder`` leave ``keep_free_bytes`` free. Raises OSError."""
    return shutil.disk_usage(folder).free - size_bytes >= keep_free_bytes
