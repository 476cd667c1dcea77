"""What people take away from a finished job."""

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from app.api.auth import Reader
from app.api.lookup import ReadableJob
from app.api.problems import responses
from app.api.services import Services, ServicesDep
from app.audit import Event
from app.errors import ResultNotReadyError, TaskNotFoundError
from app.jobs.status import JobStatus
from app.results.schema import ResultDocument
from app.results.write import (
    EMBEDDINGS_H5,
    RESULT_JSON,
    TISSUE_MASK_PNG,
    geojson_name,
    heatmap_name,
    overlay_name,
    read_document,
)


def _note_read(request: Request, job: ReadableJob, services: ServicesDep, caller: Reader) -> None:
    """Whoever takes a result away stands in the audit log before the first byte is sent."""
    if job.folder is not None:
        name = PurePosixPath(request.url.path).name
        services.audit.append(Event("result.read", caller.actor, job.request.id, job.request.tenant, name))


router = APIRouter(
    prefix="/jobs/{job_id}",
    tags=["results"],
    responses=responses(401, 403, 404, 409, 410),
    dependencies=[Depends(_note_read)],
)
# Results never change, but they are patients' and may be erased: no cache keeps them.
_ENDED = {"failed": "failed", "cancelled": "been cancelled"}
HEADERS = {"Cache-Control": "private, no-store"}
TaskQuery = Annotated[str | None, Query(description="which head's map; default: the first")]


def _folder(services: Services, job: JobStatus, *, succeeded: bool = True) -> Path:
    if job.folder is None or (succeeded and job.state != "succeeded"):
        if job.error is not None:
            raise ResultNotReadyError(f"The job has {_ENDED[job.state]}: {job.error.message}", cause=job.error.code)
        raise ResultNotReadyError(f"The job is {job.state}. Poll /jobs/{job.request.id} until it is over.")
    return services.store.folder(job.request.id) / job.folder


def _known_task(document: ResultDocument, task: str | None) -> str | None:
    tasks = [part.task for part in document.predictions]
    if task is not None and task not in tasks:
        raise TaskNotFoundError(f"This job has no task {task!r}. It has: {', '.join(tasks)}.")
    return task


class ResultFile(FileResponse):
    """A file; a Range header that is not one plain range is ignored, as RFC 9110 (14.2) lets a server do."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        kept = [(name, value) for name, value in scope["headers"] if name != b"range" or _is_range(value)]
        await super().__call__({**scope, "headers": kept}, receive, send)


def _is_range(value: bytes) -> bool:
    found = re.fullmatch(rb"bytes=(\d{0,18})-(\d{0,18})", value)
    if found is None or not (found[1] or found[2]):
        return False
    if not found[1]:
        return int(found[2]) > 0
    return not found[2] or int(found[1]) <= int(found[2])


def _file(path: Path, media_type: str) -> FileResponse:
    return ResultFile(path, media_type=media_type, headers=HEADERS)


@router.get("/result", response_model=ResultDocument, summary="The result")
def get_result(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """Predictions, top tiles, quality figures, tiling, timings, and what made them. Also as `result.json`."""
    return _file(_folder(services, job) / RESULT_JSON, "application/json")


@router.get("/result.json", include_in_schema=False)
def get_result_json(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """The same under the file's name."""
    return get_result(job, services)


@router.get("/heatmap.png", response_class=FileResponse, summary="Attention over the slide")
def get_heatmap(
    job: ReadableJob,
    services: ServicesDep,
    layer: Annotated[
        Literal["heatmap", "overlay"],
        Query(description="heatmap: on the thumbnail with a legend; overlay: RGBA over the whole level-0 extent"),
    ] = "heatmap",
    task: TaskQuery = None,
) -> FileResponse:
    """PNG. Shared attention says where the model looked, not where tumour is."""
    folder = _folder(services, job)
    document = read_document(folder)
    name = (heatmap_name if layer == "heatmap" else overlay_name)(document, _known_task(document, task))
    return _file(folder / name, "image/png")


@router.get("/tissue_mask.png", response_class=FileResponse, summary="The tissue mask")
def get_tissue_mask(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """PNG in the thumbnail's frame, white where tissue was found. A failure for want of tissue has it too."""
    folder = _folder(services, job, succeeded=False)
    if not (folder / TISSUE_MASK_PNG).exists():
        raise ResultNotReadyError("The job failed before a tissue mask was made.")
    return _file(folder / TISSUE_MASK_PNG, "image/png")


@router.get("/attention.geojson", response_class=FileResponse, summary="Attention as squares, for QuPath")
def get_geojson(
    job: ReadableJob,
    services: ServicesDep,
    origin: Annotated[
        Literal["bounds", "image"],
        Query(description="bounds: QuPath's frame, which starts at the scanner's bounds; image: level-0 (0, 0)"),
    ] = "bounds",
) -> FileResponse:
    """A FeatureCollection: one square per row of embeddings.h5, in its order."""
    folder = _folder(services, job)
    return _file(folder / geojson_name(read_document(folder), origin), "application/geo+json")


@router.get("/embeddings.h5", response_class=FileResponse, summary="Embeddings (HDF5)")
def get_embeddings(job: ReadableJob, services: ServicesDep) -> FileResponse:
    """`features` float32 [N, D] and `coords` int64 [N, 2], as the CLAM and TRIDENT family of tools reads them."""
    return _file(_folder(services, job) / EMBEDDINGS_H5, "application/x-hdf5")
