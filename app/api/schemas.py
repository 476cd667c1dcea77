"""What travels over HTTP: requests and answers, with examples for /docs."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.jobs.order import Order
from app.jobs.status import JobStatus
from app.records.record import JobError, Priority, State
from app.results.catalogue import OUTPUTS
from app.slides.identity import DicomIdentity
from app.stated import Word

POLL_AFTER_S = 2
JobId = Annotated[str, Field(examples=["01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11"])]


class PathReference(BaseModel):
    """A slide that the server can read itself."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["path"]
    path: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(
        description="absolute, inside one of the server's slide folders (XMAG_SLIDE_ROOTS)",
        examples=["/slides/2026/S26-001234-A1.svs"],
    )


class ObjectReference(BaseModel):
    """A slide in an S3-compatible store that the server may read."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["object"]
    object: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(
        description="s3://bucket/key, the key as it is, below one of the server's buckets (XMAG_OBJECT_ROOTS); a .zip "
        "for a slide of several files",
        examples=["s3://slides/2026/S26-001234-A1.svs"],
    )


class UploadReference(BaseModel):
    """An upload in pieces (tus) that is complete."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["upload"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="the last part of the upload's Location", examples=["01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11"]
    )


class AnalyzeFields(Order):
    """Everything that may be said about a slide; all optional."""


class AnalyzeBySource(AnalyzeFields):
    """Analyse a slide that the server can read itself (never changed), or a finished upload.

    By path it is read in place; an object is fetched for the analysis, and that copy removed when it ends.
    """

    source: Annotated[PathReference | ObjectReference | UploadReference, Field(discriminator="type")]


class RerunFields(AnalyzeFields):
    """Fields to change; a field that is not sent keeps its value."""

    @field_validator("sha256")
    @classmethod
    def _of_uploads(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("is for slides that are sent")
        return value


class JobQuery(BaseModel):
    """Filters of a listing."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = Field(default=None, description="only jobs in this state")
    case_id: Word | None = Field(default=None, description="only this accession number")
    slide_id: Word | None = Field(default=None, description="only this barcode")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        default=None, description="`next_cursor` of the page before"
    )


class ProgressView(BaseModel):
    """How far a running job is."""

    stage: str = Field(examples=["tiles"])
    done: int = Field(examples=[320])
    total: int = Field(examples=[844])
    fraction: float = Field(description="0 to 1, of the whole job", examples=[0.4])


class JobView(BaseModel):
    """A job as it stands now."""

    id: JobId
    state: State
    priority: Priority
    model: str
    tasks: list[str]
    case_id: str | None = Field(description="as sent, else the DICOM header's accession number")
    slide_id: str | None = Field(description="as sent, else the DICOM header's container identifier")
    dicom: DicomIdentity | None = Field(
        description="identifiers in the slide's DICOM header; null for other formats, and for an object until its "
        "job has succeeded"
    )
    context: str | None
    progress: ProgressView | None
    attempt: int = Field(description="attempts so far, 0 while it waits for the first")
    error: JobError | None
    warnings: list[str] = Field(description="codes of the result's warnings (docs/api.md)", examples=[["out_of_focus"]])
    validated: bool | None = Field(
        description="whether all of the model's heads are validated; null until there is a result with predictions"
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: dict[str, str] = Field(
        description="name → address (a path on this server if XMAG_PUBLIC_URL is unset); a link appears once its "
        "target exists, if the caller may open it"
    )


class JobList(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobView]
    next_cursor: str | None = Field(description="opaque; send it as `cursor` for the next page; null on the last page")
    unreadable: list[JobId] = Field(description="admins only: jobs whose record is damaged and whose tenant is unknown")


def job_view(status: JobStatus, address: str, *, is_readable: bool) -> JobView:
    """The answer for one job. ``address``: the service's, before links, or empty for paths.

    ``is_readable``: whether links to slide and results open for the caller.
    """
    request, stated, progress = status.request, status.stated, status.progress
    base = f"{address}/jobs/{request.id}"
    links = {"self": base, "events": f"{base}/events"}
    if is_readable:
        links |= _links_for_readers(status, base)
    return JobView(
        id=request.id,
        state=status.state,
        priority=request.priority,
        model=request.model,
        tasks=list(request.tasks),
        case_id=stated.case_id,
        slide_id=stated.slide_id,
        dicom=status.dicom,
        context=stated.context,
        progress=None if progress is None else ProgressView(**vars(progress)),
        attempt=status.attempt,
        error=status.error,
        warnings=list(status.warnings),
        validated=status.validated,
        created_at=request.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        links=links,
    )


def _links_for_readers(status: JobStatus, base: str) -> dict[str, str]:
    has_all, has_some = status.state == "succeeded", status.folder is not None
    there = [one for one in OUTPUTS if has_all or (has_some and one.is_of_failed)]
    outputs = {one.link: f"{base}/{one.path}" for one in there if one.link is not None}
    return {"slide": f"{base}/slide.dzi", "view": f"{base}/view", **outputs}
