"""Shares an uploaded slide between jobs by hard links, so that each job is erased without the other."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from app.errors import SlideGoneError
from app.jobs.intake.source import source_state
from app.records.record import JobRequest, UploadSource
from app.records.store import SLIDE, JobStore
from app.system.durable import sync

GONE = "The slide was erased; its results are kept. Send the slide again."


def link_slide(store: JobStore, request: JobRequest, folder: Path) -> Path:
    """Link all files of the uploaded slide of ``request`` into the empty ``folder``, durably; the file to open.

    SlideGoneError if the slide was erased, even during linking; JobErasedError.
    """
    source = request.source
    if not isinstance(source, UploadSource):
        raise TypeError("only an uploaded slide is kept here")
    kept = store.folder(request.id) / SLIDE
    try:
        shutil.copytree(kept, folder, copy_function=os.link, dirs_exist_ok=True)
    except (FileNotFoundError, shutil.Error) as error:
        store.check_exists(request.id)
        raise SlideGoneError(GONE) from error
    for place, _, _ in os.walk(folder):
        sync(Path(place))
    slide = folder / source.entry
    if not slide.exists():
        raise SlideGoneError(GONE)
    return slide


def check_whole(request: JobRequest, files: Sequence[Path]) -> None:
    """SlideGoneError unless ``files``, all files of a linked slide, have its size: else it has been erased."""
    if not isinstance(request.source, UploadSource) or source_state(files)[0] != request.source.size_bytes:
        raise SlideGoneError(GONE)
