"""Which files a slide consists of. Told by names and first bytes alone: no decoder is involved."""

from pathlib import Path

from app.slides.formats.entry import has_dicom_name, is_dicom
from app.slides.formats.folder_walk import files_below, is_regular
from app.slides.formats.index_file import index_folder, named_files


def slide_files(path: Path) -> tuple[Path, ...]:
    """All files of the slide at ``path``, sorted.

    A folder: all regular files below. An MRXS: itself and all in the folder of its name. A VMS or VMU (told by its
    content): itself and the files beside it that it names. A DICOM file: all DICOM files of its folder; which of them
    are its series, only a reader process can tell (``SlideReader.files``). Any other file: itself.
    Raises FileNotFoundError (nothing there) and other OSErrors, NotASlideError for a pipe, device or socket,
    SlideUnsafeError for an index that names other files, SlideTooManyFilesError.
    """
    if not is_regular(path):
        return tuple(files_below(path))
    named, folder = named_files(path), index_folder(path)
    if folder is not None:
        return tuple(sorted({path, *named, *(files_below(folder) if folder.is_dir() else ())}))
    if named:
        return tuple(sorted({path, *named}))
    if has_dicom_name(path) and is_dicom(path):
        beside = (other for other in files_below(path.parent, deep=False) if has_dicom_name(other))
        return tuple(sorted({path, *(other for other in beside if is_dicom(other))}))
    return (path,)


def folder_of(path: Path) -> Path:
    """The folder that all files of the slide at ``path`` lie in or below."""
    return path if path.is_dir() else path.parent
