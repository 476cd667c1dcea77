"""Downloads of a finished job that are made from its result on request, the same every time."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from app.api.reference.openapi_parts import content
from app.api.reference.refusals import A_RESULT, responses
from app.api.result_folder import HEADERS, Drawing, ReadableJob, note_read, result_folder
from app.api.routes.pages import POLICY
from app.api.services import Services, ServicesDep
from app.jobs.status import JobStatus
from app.results.catalogue import EVERYTHING, REPORT_HTML, REPORT_PDF, TILES
from app.results.files.bundle import zip_chunks
from app.results.files.tiles_csv import csv_chunks
from app.results.files.write import encode_jpeg
from app.results.report.report import Subject
from app.results.report.report_html import render_html
from app.results.report.stored_report import (
    stored_report,
    stored_report_map,
    stored_report_pdf,
    stored_tiles,
)

CaseQuery = Annotated[
    bool,
    Query(alias="case", description="print case, slide, organ and stain; default: only the slide_id of the request"),
]
router = APIRouter(
    prefix="/jobs/{job_id}",
    tags=["results"],
    responses=responses(*A_RESULT),
    dependencies=[Depends(note_read)],
)


@router.get(
    f"/{REPORT_PDF.name}",
    response_class=Response,
    summary=REPORT_PDF.title,
    responses=content(REPORT_PDF.media_type),
)
async def get_report_pdf(
    job: ReadableJob, services: ServicesDep, draw: Drawing, with_case: CaseQuery = False
) -> Response:
    """PDF: map with legend, prediction, quality, top tiles, provenance. The same result gives the same bytes."""
    folder, subject = _result(services, job, with_case=with_case)
    page = await draw(stored_report_pdf, folder, subject)
    return Response(page, media_type=REPORT_PDF.media_type, headers=_named(_report_name(subject), "pdf", "inline"))


@router.get(f"/{REPORT_HTML.name}", response_class=HTMLResponse, summary=REPORT_HTML.title)
async def get_report_html(
    job: ReadableJob, services: ServicesDep, draw: Drawing, with_case: CaseQuery = False
) -> HTMLResponse:
    """The same as a page."""
    folder, subject = _result(services, job, with_case=with_case)
    report = await draw(stored_report, folder, subject)
    headers = {**_named(_report_name(subject), "html", "inline"), "Content-Security-Policy": POLICY}
    return HTMLResponse(render_html(report, _links_base(services, job)), headers=headers)


@router.get("/report_map.jpg", response_class=Response, summary="The report's picture", responses=content("image/jpeg"))
async def get_report_map(job: ReadableJob, services: ServicesDep, draw: Drawing) -> Response:
    """JPEG: attention on the thumbnail, tissue outline, top tiles numbered."""
    folder, _ = _result(services, job)
    return await draw(lambda: _jpeg(folder))


@router.get(
    f"/{TILES.name}",
    response_class=StreamingResponse,
    summary=TILES.title,
    description=TILES.text,
    responses=content(TILES.media_type),
)
async def get_tiles_csv(job: ReadableJob, services: ServicesDep, draw: Drawing) -> StreamingResponse:
    """Made row by row."""
    folder, _ = _result(services, job)
    maps = await draw(stored_tiles, folder)
    return StreamingResponse(csv_chunks(maps), media_type=TILES.media_type, headers=_named(job.request.id, "csv"))


@router.get(
    f"/{EVERYTHING.name}",
    response_class=StreamingResponse,
    summary=EVERYTHING.title,
    description=EVERYTHING.text,
    responses=content(EVERYTHING.media_type),
)
async def get_results_zip(job: ReadableJob, services: ServicesDep, draw: Drawing) -> StreamingResponse:
    """Packed while it is sent."""
    folder, subject = _result(services, job)
    maps = await draw(stored_tiles, folder)
    page = await draw(stored_report_pdf, folder, subject)
    chunks: Iterator[bytes] = zip_chunks(folder, maps, page, job.request.id)
    return StreamingResponse(chunks, media_type=EVERYTHING.media_type, headers=_named(job.request.id, "zip"))


def _result(services: Services, job: JobStatus, *, with_case: bool = False) -> tuple[Path, Subject]:
    folder = result_folder(services, job)
    if job.finished_at is None:
        raise AssertionError("a job that succeeded has an end")
    if with_case:
        return folder, Subject(job.request.id, job.stated.slide_id, job.finished_at, job.stated)
    return folder, Subject(job.request.id, job.request.slide_id, job.finished_at)


def _links_base(services: Services, job: JobStatus) -> str:
    """Prefix of the page's links; with the service's address they also work in a saved copy."""
    address = services.settings.public_url
    return f"{address}/jobs/{job.request.id}/" if address else ""


def _report_name(subject: Subject) -> str:
    """The job's id: a file's name must not tell whose slide it is, unless the case was asked for."""
    if subject.stated is None:
        return subject.job_id
    slide = re.sub(r"[^A-Za-z0-9._]+", "-", subject.slide_id or "").strip("-.") or subject.job_id
    return f"{slide}-report-{subject.finished_at:%Y-%m-%d}"


def _jpeg(folder: Path) -> Response:
    buffer = io.BytesIO()
    encode_jpeg(stored_report_map(folder).picture, buffer)
    return Response(buffer.getvalue(), media_type="image/jpeg", headers=HEADERS)


def _named(name: str, kind: str, how: str = "attachment") -> dict[str, str]:
    return {**HEADERS, "Content-Disposition": f'{how}; filename="{name}.{kind}"'}
