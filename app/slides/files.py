"""Which files a slide consists of. Told by names and first bytes alone: no decoder is involved."""

from pathlib import Path

from app.slides.entry import has_dicom_name, is_dicom, series_uid
from app.slides.folder_walk import files_below, is_regular
from app.slides.index_file import index_folder, named_files


def slide_files(path: Path) -> tuple[Path, ...]:
    """All files of the slide at ``path``, sorted.

    A folder: all regular files below. An MRXS: itself and all in the folder of its name. A VMS or VMU (told by its
    content): itself and the files beside it that it names. A DICOM file: all of its series in its folder (those
    included that do not tell their series; if it does not tell its own, all DICOM files there). Any other file: itself.
    Raises FileNotFoundError (nothing there) and other OSErrors, NotASlideError for a pipe, device or socket,
    SlideUnsafeError for an index that names something else, SlideTooManyFilesError.
    """
    if not is_regular(path):
        return tuple(files_below(path))
    named, beside = named_files(path), index_folder(path)
    if beside is not None:
        return tuple(sorted({path, *named, *(files_below(beside) if beside.is_dir() else ())}))
    if named:
        return tuple(sorted({path, *named}))
    if has_dicom_name(path) and is_dicom(path):
        return tuple(sorted({path, *_series_of(path)}))
    return (path,)


def common_folder(path: Path) -> Path:
    """The folder that the names of ``slide_files(path)`` are relative to."""
    return path if path.is_dir() else path.parent


def _series_of(path: Path) -> list[Path]:
    candidates = [other for other in files_below(path.parent, deep=False) if has_dicom_name(other)]
    series = {other: series_uid(other) for other in candidates if is_dicom(other)}
    own = series_uid(path)
    return [other for other, uid in series.items() if not own or not uid or uid == own]
