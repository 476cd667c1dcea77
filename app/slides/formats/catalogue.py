"""The slide formats that are read, and how each of them differs from the others.

To add a file extension or a format, change ``FORMATS``. Lists of file extensions, sentences about accepted formats and
the table of docs/api.md come from it. Source: OpenSlide 4.0.1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal


@dataclass(frozen=True)
class SlideFormat:
    """One format.

    ``vendor``: OpenSlide's name. ``name``: as people call its files. ``maker``: whose format it is; empty for a
    standard. ``suffixes``: its file extensions, without those of a format above. ``files``: a slide is one file, an
    index file that leads to others, or a series of equal files.
    """

    vendor: str
    name: str
    maker: str = ""
    suffixes: tuple[str, ...] = ()
    files: Literal["one", "index", "series"] = "one"
    is_tiled_tiff: bool = False
    is_read_directly: bool = False
    """Each level is one directory of a TIFF, so compressed tiles are read without OpenSlide."""
    can_be_stripped: bool = False
    pads_levels: bool = False
    """A directory's size includes the padding of its last tiles."""
    fills_missing_tiles: bool = False
    """OpenSlide draws a level's missing tiles from the next finer level."""
    has_standard_offsets: bool = True
    """False where a file beyond 4 GiB extends classic TIFF in the maker's own way."""

    @property
    def title(self) -> str:
        """Maker and name."""
        return f"{self.maker} {self.name}".strip()


FORMATS = (
    SlideFormat(
        "aperio",
        "SVS",
        "Aperio",
        (".svs",),
        is_tiled_tiff=True,
        is_read_directly=True,
        can_be_stripped=True,
        fills_missing_tiles=True,
    ),
    SlideFormat(
        "generic-tiff",
        "TIFF",
        suffixes=(".tif", ".tiff"),
        is_tiled_tiff=True,
        is_read_directly=True,
        can_be_stripped=True,
    ),
    SlideFormat("philips", "TIFF", "Philips", is_tiled_tiff=True, is_read_directly=True, pads_levels=True),
    SlideFormat("trestle", "TIFF", "Trestle", is_tiled_tiff=True),
    SlideFormat("hamamatsu", "NDPI", "Hamamatsu", (".ndpi",), has_standard_offsets=False),
    SlideFormat("leica", "SCN", "Leica", (".scn",), is_tiled_tiff=True),
    SlideFormat("ventana", "BIF", "Ventana", (".bif",), is_tiled_tiff=True),
    SlideFormat("zeiss", "CZI", "Zeiss", (".czi",)),
    SlideFormat("sakura", "SVSLIDE", "Sakura", (".svslide",)),
    SlideFormat("argos", "AVS", "Argos", (".avs",), is_tiled_tiff=True),
    SlideFormat("mirax", "MRXS", "Mirax", (".mrxs",), "index"),
    SlideFormat("hamamatsu", "VMS", "Hamamatsu", (".vms",), "index", has_standard_offsets=False),
    SlideFormat("hamamatsu", "VMU", "Hamamatsu", (".vmu",), "index", has_standard_offsets=False),
    SlideFormat("dicom", "DICOM", suffixes=(".dcm", ".dicom"), files="series"),
)
_BY_VENDOR = {one.vendor: one for one in reversed(FORMATS)}


def format_of(vendor: str | None) -> SlideFormat:
    """The format that OpenSlide calls ``vendor``; one without any of the properties for a name that is not known."""
    return _BY_VENDOR.get(vendor or "", SlideFormat(vendor or "", (vendor or "unknown").capitalize()))


def _suffixes(files: str) -> frozenset[str]:
    return frozenset(suffix for one in FORMATS if one.files == files for suffix in one.suffixes)


SINGLE_SUFFIXES = _suffixes("one")
INDEX_SUFFIXES = _suffixes("index")
DICOM_SUFFIXES = _suffixes("series")
_KEPT = re.compile(
    rf"({'|'.join(map(re.escape, [*SINGLE_SUFFIXES, *INDEX_SUFFIXES, *DICOM_SUFFIXES, '.zip']))})$", re.IGNORECASE
)


def slide_suffix(file_name: str) -> str:
    """The extension of a file's or object's name, with its dot, if a slide or zip may have it; else empty.

    No more of a slide's own file name is kept. OpenSlide tells some formats by it.
    """
    found = _KEPT.search(PurePath(file_name).name)
    return found[0].lower() if found else ""


def _names(formats: Sequence[SlideFormat]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.name for one in formats))


SINGLE_NAMES = _names([one for one in FORMATS if one.files == "one"])
"""Formats of one file."""
SEVERAL_NAMES = _names([one for one in FORMATS if one.files != "one"])
"""Formats of several files, sent as a zip."""
STRIPPABLE_NAMES = _names([one for one in FORMATS if one.can_be_stripped])


def listed(names: Sequence[str], last: str = "or") -> str:
    """``names`` as in a sentence: A, B or C."""
    return f" {last} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


ACCEPTED = f"Accepted formats: {listed(SINGLE_NAMES, 'and')}; as a folder or zip: {listed(SEVERAL_NAMES, 'and')}."
