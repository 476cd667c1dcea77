"""The slide itself, for a viewer: Deep Zoom (OpenSeadragon reads it). Never its label or macro."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.exceptions import HTTPException

from app.api.auth import Reader
from app.api.middleware.conditional_get import has_already
from app.api.reference.openapi_parts import content
from app.api.reference.refusals import NO_TILE, THE_SLIDE, responses
from app.api.result_folder import ReadableJob
from app.api.routes import prefetch
from app.api.services import ServicesDep
from app.jobs.status import JobStatus

router = APIRouter(prefix="/jobs/{job_id}", tags=["viewer"], responses=responses(*THE_SLIDE))
# A picture of a slide never changes, but who may see it and whether it is still kept is asked each time.
_CACHING = "private, no-cache"
_VERSION = "1"
"""Of how pictures are made: part of every ETag."""
Index = Annotated[int, Path(ge=0, le=10**6)]


@dataclass(frozen=True)
class TilePlace:
    """Which tile."""

    level: Index
    column: Index
    row: Index


async def _kept(job: JobStatus, services: ServicesDep, caller: Reader) -> None:
    """Refuses a slide that is gone, and writes down who looks at it."""
    await services.viewing.check(caller.holder, services.viewer.check_kept, job.request)
    request = job.request
    await services.viewing.check(caller.holder, services.views.note, caller.actor, request.id, request.tenant)


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": _CACHING}


@router.get(
    "/slide.dzi",
    response_class=Response,
    summary="The slide as a Deep Zoom image",
    operation_id="get_slide",
    responses=content("application/xml"),
)
async def descriptor(job: ReadableJob, services: ServicesDep, caller: Reader) -> Response:
    """Deep Zoom XML: size, tile size 254, overlap 1. Its tiles are below `slide_files/`, in sRGB."""
    await _kept(job, services, caller)
    pyramid = await services.viewing.decode(caller.holder, job.request.id, services.viewer.pyramid, job.request)
    return Response(
        pyramid.descriptor(),
        media_type="application/xml",
        headers={"Cache-Control": _CACHING},
        background=prefetch.for_tiles(services, caller, job.request),
    )


@router.get(
    "/slide_files/{level}/{column}_{row}.jpg",
    response_class=Response,
    summary="A Deep Zoom tile",
    operation_id="get_slide_tile",
    responses={**content("image/jpeg"), **responses(*THE_SLIDE, NO_TILE)},
)
async def tile(
    job: ReadableJob,
    services: ServicesDep,
    caller: Reader,
    request: Request,
    place: Annotated[TilePlace, Depends()],
) -> Response:
    """JPEG. Level 0 is a single pixel; the last one has the slide's own pixels."""
    await _kept(job, services, caller)
    tag = f'"{_VERSION}-{job.request.id}-{place.level}-{place.column}-{place.row}"'
    if has_already(request.headers.get("if-none-match", ""), tag):  # without drawing it
        return Response(status_code=304, headers=_headers(tag))
    wanted = (job.request, place.level, place.column, place.row)
    picture = services.viewer.cached(*wanted)
    if picture is None:
        picture = await services.viewing.decode(caller.holder, job.request.id, services.viewer.tile, *wanted)
    if picture is None:
        raise HTTPException(404, "The slide's pyramid has no such tile.")
    return Response(picture, media_type="image/jpeg", headers=_headers(tag))
