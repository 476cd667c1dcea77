"""What is kept of a slide's own file name: its ending, by which OpenSlide tells some formats."""

import re
from pathlib import PurePath

_SUFFIX = re.compile(r"\.(svs|svslide|tif|tiff|ndpi|vms|vmu|scn|mrxs|bif|czi|dcm|zip)$", re.IGNORECASE)


def slide_suffix(file_name: str) -> str:
    """The ending of a file's or object's name, with its dot, if a slide or zip may have it; else empty."""
    found = _SUFFIX.search(PurePath(file_name).name)
    return found.group(0).lower() if found else ""
