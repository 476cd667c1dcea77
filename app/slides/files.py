"""Which files a slide consists of. Told by names and first bytes alone: no decoder is involved."""

from pathlib import Path

from app.slides.entry import has_dicom_name, is_dicom, series_uid
from app.slides.folder_walk import files_below, is_regular

_MIRAX = ".mrxs"
_HAMAMATSU = frozenset({".vms", ".vmu"})
_INDEX_BYTES = 2**20
"""Of a VMS index; real ones have a few kilobytes."""


def slide_files(path: Path) -> tuple[Path, ...]:
    """All files of the slide at ``path``, sorted.

    A folder: all regular files below. An MRXS: itself and all in the folder of its name. A VMS or VMU: itself and
    the files beside it that it names. A DICOM file: all of its series in its folder (those included that do not
    tell their series; if it does not tell its own, all DICOM files there). Any other file: itself.
    Raises FileNotFoundError (nothing there) and other OSErrors, NotASlideError for a pipe, device or socket,
    SlideTooManyFilesError.
    """
    if not is_regular(path):
        return tuple(files_below(path))
    suffix = path.suffix.lower()
    if suffix == _MIRAX:
        beside = path.with_suffix("")
        return tuple(sorted({path, *(files_below(beside) if beside.is_dir() else ())}))
    if suffix in _HAMAMATSU:
        return tuple(sorted({path, *_named_in(path)}))
    if has_dicom_name(path) and is_dicom(path):
        return tuple(sorted({path, *_series_of(path)}))
    return (path,)


def common_folder(path: Path) -> Path:
    """The folder that the names of ``slide_files(path)`` are relative to."""
    return path if path.is_dir() else path.parent


def _named_in(index: Path) -> list[Path]:
    """The values of an ini file's ``key=value`` lines that are names of files beside it."""
    with index.open("rb") as file:
        lines = file.read(_INDEX_BYTES).decode("utf-8", "surrogateescape").splitlines()
    values = {line.partition("=")[2].strip() for line in lines}
    names = {value for value in values if value and "\0" not in value and Path(value).name == value}
    beside = [index.parent / name for name in names if len(name.encode("utf-8", "surrogateescape")) <= 255]
    return [path for path in beside if path.exists() and is_regular(path)]


def _series_of(path: Path) -> list[Path]:
    candidates = [other for other in files_below(path.parent, deep=False) if has_dicom_name(other)]
    series = {other: series_uid(other) for other in candidates if is_dicom(other)}
    own = series_uid(path)
    return [other for other, uid in series.items() if not own or not uid or uid == own]
