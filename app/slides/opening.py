"""Opens a slide with OpenSlide, or says in plain words why not. Only reader processes come here."""

import struct
from dataclasses import dataclass
from pathlib import Path

import openslide

from app.errors import (
    EmptyUploadError,
    NotASlideError,
    SlideCorruptError,
    SlideError,
    SlideMissingError,
    SlideUnsupportedError,
)
from app.slides.closing import Closing
from app.slides.dicom_colour import frames_are_mislabelled
from app.slides.entry import find_entry
from app.slides.files import slide_files
from app.slides.folder_walk import is_regular
from app.slides.metadata import read_info
from app.slides.pyramid import find_levels
from app.slides.tiff_check import check_tiff_complete
from app.slides.tiff_directory import is_tiff
from app.slides.tiff_levels import refuse_disorder
from app.slides.types import SlideInfo
from app.slides.unsupported import refuse_unsupported, why_unreadable

CACHE_BYTES = 128 * 2**20
"""Decoded tiles that OpenSlide keeps: neighbouring 5x tiles share theirs along two rows of a wide slide."""
_COLOUR_PROPERTIES = ("PhotometricInterpretation", "TransferSyntaxUID")
_BY_CONTENT = (openslide.OpenSlideError, struct.error, ValueError, KeyError, IndexError, OverflowError)
"""What reading a damaged or hostile file may end in."""
_WHAT_TO_SEND = "Send a whole-slide image, for example SVS, a tiled pyramidal TIFF, NDPI, MRXS or DICOM."


@dataclass(frozen=True)
class OpenedSlide(Closing):
    """An open slide and what is known of it; closes with its ``with`` block.

    ``ycbcr``: what OpenSlide hands out as RGB is YCbCr, by a fault of the file, and has to be converted.
    ``entry``: the file that was opened, or the one of several that stands for the slide.
    """

    slide: openslide.OpenSlide
    info: SlideInfo
    entry: Path
    ycbcr: bool = False

    def close(self) -> None:
        """Let go of the file."""
        self.slide.close()


def open_slide(path: Path, mpp: float | None = None) -> OpenedSlide:
    """The slide at ``path``: a file, or a folder that holds one slide. ``mpp`` overrides what the file says (µm/px).

    Raises SlideMissingError, EmptyUploadError, NotASlideError (no reader knows it; no file), SlideCorruptError (known,
    but truncated or broken), SlideUnsupportedError, SlideTooManyFilesError, the errors of ``read_info`` when its
    resolution cannot be used, and OSError.
    """
    if not path.exists():
        raise SlideMissingError("There is no file at the slide's path.")
    try:
        return _open_entry(path if is_regular(path) else find_entry(path), mpp)
    except _BY_CONTENT as error:
        raise SlideCorruptError(
            "The slide says of itself what makes no sense: it is damaged. Export or copy it again. "
            f"({type(error).__name__})"
        ) from error


def _open_entry(entry: Path, mpp: float | None) -> OpenedSlide:
    if entry.stat().st_size == 0:
        raise EmptyUploadError("The file is empty: its size is 0 bytes. Send it again.")
    slide_files(entry)  # refuses what a decoder that opens all of them would stumble over
    slide = _open(entry)
    try:
        refuse_unsupported(slide, entry)
        slide.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
        photometric, syntax = (slide.properties.get(f"dicom.{name}") for name in _COLOUR_PROPERTIES)
        return OpenedSlide(
            slide,
            read_info(slide, find_levels(slide, entry), mpp),
            entry,
            frames_are_mislabelled(entry, photometric, syntax),
        )
    except BaseException:
        slide.close()
        raise


def _open(path: Path) -> openslide.OpenSlide:
    try:
        return openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError:
        raise _unrecognised(path) from None
    except openslide.OpenSlideError as error:
        raise why_unreadable(path) or SlideCorruptError(
            f"The slide cannot be opened: it is damaged or was not sent whole. (OpenSlide: {error})"
        ) from error


def _unrecognised(path: Path) -> SlideError:
    """The error for a file that OpenSlide does not know; a cut-off TIFF is one that it would have known."""
    if is_tiff(path):
        try:
            check_tiff_complete(path)
            refuse_disorder(path)
        except (SlideCorruptError, SlideUnsupportedError) as error:
            return error
    return why_unreadable(path) or NotASlideError(f"No reader recognises this file as a slide. {_WHAT_TO_SEND}")
