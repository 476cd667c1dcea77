"""One attempt at one job: check the source, analyse, write the files into the attempt's folder."""

from app.jobs.record import PRIORITIES, JobRequest, UploadSource
from app.jobs.source import check_unchanged
from app.jobs.store import Attempt, JobStore
from app.pipeline import EmptySlideError, Means, Progress, SlideRequest, analyze
from app.results.write import write_results, write_tissue_mask


def run_attempt(request: JobRequest, store: JobStore, attempt: Attempt, means: Means, progress: Progress) -> None:
    """Write the results into ``attempt.folder``. Typed errors when that cannot be."""
    source = request.source
    upload = source if isinstance(source, UploadSource) else None
    check_unchanged(request)
    slide = SlideRequest(
        path=store.slide_path(request),
        mpp=request.mpp,
        stain=request.stain,
        organ=request.organ,
        tasks=request.tasks,
        case_id=request.case_id,
        slide_id=request.slide_id,
        context=request.context,
        sha256=upload.sha256 if upload else None,
        size_bytes=upload.size_bytes if upload else None,
        urgency=PRIORITIES.index(request.priority),
    )
    try:
        result = analyze(slide, means, progress)
    except EmptySlideError as error:
        write_tissue_mask(error.tissue_mask, attempt.folder)
        raise
    check_unchanged(request)
    progress("write", 0, 1)
    write_results(result, attempt.folder)
    progress("write", 1, 1)
