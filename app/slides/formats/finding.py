"""Finds the slide's files in a folder. Parses DICOM headers, so it runs in reader processes only."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.errors import NotASlideError, SlideCorruptError, SlideUnsupportedError
from app.slides.formats import reader_sentences as sentences
from app.slides.formats.catalogue import INDEX_SUFFIXES, SINGLE_SUFFIXES
from app.slides.formats.dicom.dicom_headers import DicomHeader, read_header, read_headers
from app.slides.formats.dicom.dicom_study import DicomSlide, slide_in
from app.slides.formats.files import (
    has_dicom_name,
    is_clutter,
    several_slides,
    slide_files,
)
from app.slides.formats.folder_walk import files_below, is_regular


@dataclass(frozen=True)
class FoundSlide:
    """A slide. ``entry``: the file to open it by; ``files``: all its files; ``dicom``: its DICOM headers."""

    entry: Path
    files: tuple[Path, ...]
    dicom: DicomSlide | None = None


def find_slide(path: Path) -> FoundSlide:
    """The one slide at ``path``: the file itself, or the slide in the folder and its subfolders.

    A DICOM file stands for its series in its folder. Raises NotASlideError when there is no slide or more than one,
    SlideUnsupportedError, SlideCorruptError, the errors of ``slide_files``, and OSError.
    """
    if not is_regular(path):
        return _in_folder(path)
    header = read_header(path) if has_dicom_name(path) else None
    if header is None:
        return FoundSlide(path, slide_files(path))
    if not header.is_slide_image:
        raise SlideUnsupportedError(sentences.DICOM_NOT_A_SLIDE(kinds=header.kind))
    beside = [other for other in files_below(path.parent, deep=False) if other != path and has_dicom_name(other)]
    return _found([header, *(other for other in _readable(beside) if other.series_uid == header.series_uid)])


def _in_folder(folder: Path) -> FoundSlide:
    files = [path for path in files_below(folder) if not path.is_symlink()]
    files = [path for path in files if not is_clutter(path.relative_to(folder).parts)]
    indexes, singles = (
        [path for path in files if path.suffix.lower() in suffixes] for suffixes in (INDEX_SUFFIXES, SINGLE_SUFFIXES)
    )
    if entries := indexes or singles:
        return _alone(entries, [*singles, *(path for path in files if has_dicom_name(path))])
    headers = read_headers(path for path in files if has_dicom_name(path))
    if not headers:
        raise NotASlideError(sentences.NO_SLIDE_HERE)
    return _found(headers)


def _alone(entries: list[Path], candidates: list[Path]) -> FoundSlide:
    """The slide that ``entries`` names; ``candidates``: files that are slides of their own unless they belong to it."""
    if len(entries) > 1:
        raise several_slides(len(entries))
    own = slide_files(entries[0])
    beside = [path for path in candidates if path not in own]
    series = {header.series_uid for header in _readable(filter(has_dicom_name, beside)) if header.is_volume}
    count = 1 + sum(not has_dicom_name(path) for path in beside) + len(series)
    if count > 1:
        raise several_slides(count)
    return FoundSlide(entries[0], own)


def _found(headers: list[DicomHeader]) -> FoundSlide:
    slide = slide_in(headers)
    return FoundSlide(slide.entry, slide.files, slide)


def _readable(files: Iterable[Path]) -> list[DicomHeader]:
    """The headers of neighbouring files; unreadable ones are skipped, because they belong to other slides."""
    found = []
    for path in files:
        try:
            header = read_header(path)
        except SlideCorruptError:
            continue
        if header is not None:
            found.append(header)
    return found
