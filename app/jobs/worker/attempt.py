"""One attempt at one job: have the slide, analyse it, write the files into the attempt's folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from app.analysis.pipeline import EmptySlideError, Means, Progress, SlideRequest, analyze
from app.identity import IdentityPolicy
from app.jobs.intake.source import check_unchanged, source_files
from app.jobs.worker.context import Shared
from app.records.record import PRIORITIES, JobRequest, ObjectSource, UploadSource
from app.records.store import Attempt
from app.results.files.write import write_results, write_tissue_mask
from app.results.schema import JobPart


def run_attempt(request: JobRequest, shared: Shared, attempt: Attempt, means: Means, progress: Progress) -> None:
    """Write the results into ``attempt.folder``. Typed errors when that cannot be."""
    check_unchanged(request)
    with _slide(request, shared, attempt, progress) as slide:
        try:
            result = analyze(slide, means, progress)
        except EmptySlideError as error:
            write_tissue_mask(error.tissue_mask, attempt.folder)
            raise
    check_unchanged(request)
    progress("write", 0, 1)
    write_results(result, attempt.folder)
    progress("write", 1, 1)


@contextmanager
def _slide(request: JobRequest, shared: Shared, attempt: Attempt, progress: Progress) -> Iterator[SlideRequest]:
    """What to analyse, as long as the block lasts. Hash and size are known of what passed through our hands."""
    source, wanted = request.source, partial(_wanted, request, attempt, shared.settings.identity_conflict)
    if isinstance(source, ObjectSource):
        with shared.copies.fetched(source, request, attempt, progress) as file:
            yield wanted(file.path.resolve(), sha256=file.sha256, size_bytes=file.size_bytes)
    elif isinstance(source, UploadSource):
        path = shared.store.slide_path(request)
        yield wanted(path, sha256=source.sha256, size_bytes=source.size_bytes)
    else:
        yield wanted(shared.store.slide_path(request), files=source_files(source))


def _wanted(request: JobRequest, attempt: Attempt, policy: IdentityPolicy, path: Path, **known: Any) -> SlideRequest:
    return SlideRequest(
        path=path,
        stated=request,
        tasks=request.named_tasks,
        identity_policy=policy,
        urgency=PRIORITIES.index(request.priority),
        job=JobPart(id=request.id, attempt=attempt.number, created_at=request.created_at),
        **known,
    )
