"""What a batch is made of: files to send, and objects that the server fetches itself."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.slides.formats.catalogue import DICOM_SUFFIXES, INDEX_SUFFIXES


@dataclass(frozen=True)
class ObjectName:
    """The address of an object, s3://bucket/key."""

    address: str

    @property
    def name(self) -> str:
        """Its last part."""
        return self.address.rpartition("/")[2]

    def __str__(self) -> str:
        return self.address


Slide = Path | ObjectName


def shown(slide: Slide) -> str:
    """Path or address as plain text; bytes that are not UTF-8 become ``\\xe9``."""
    return os.fsencode(str(slide)).decode("utf-8", "backslashreplace")


def slide_id_of(slide: Slide) -> str | None:
    """The slide ID in a file name: the name without its extension.

    None for DICOM, whose header holds the container identifier: a file name must not contradict it. A zip counts as
    DICOM unless it holds the index file of another format; of an object nothing but the name is known.
    """
    name = PurePosixPath(shown(slide).rpartition("/")[2])
    suffix = name.suffix.lower()
    if suffix in DICOM_SUFFIXES or (suffix == ".zip" and not _holds_index(slide)):
        return None
    return name.stem or None


def _holds_index(slide: Slide) -> bool:
    if isinstance(slide, ObjectName):
        return False
    try:
        with zipfile.ZipFile(slide) as archive:
            return any(PurePosixPath(name).suffix.lower() in INDEX_SUFFIXES for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):  # the service says what is wrong with it
        return False
