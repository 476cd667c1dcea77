"""What is written down of a job: the request that opens it and the outcome that closes it."""

from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.errors import Origin, XmagError
from app.slides.identity import DicomIdentity
from app.stated import Stated

Priority = Literal["routine", "urgent", "asap", "stat"]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
FinalState = Literal["succeeded", "failed", "cancelled"]
PRIORITIES: tuple[Priority, ...] = ("stat", "asap", "urgent", "routine")  # FHIR request-priority, most urgent first


class Holder(NamedTuple):
    """Owner of a job or upload: the tenant, and in it the key or token holder. Both empty on a server without keys."""

    tenant: str
    owner: str


NOBODY = Holder("", "")


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Record(BaseModel):
    """Base of all records: frozen. Keys that a newer version wrote are passed over, so that an older one can go on."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class UploadSource(Record):
    """An uploaded slide. ``entry``: the file or folder to open it by, inside the job's ``slide`` folder."""

    type: Literal["upload"] = "upload"
    entry: str
    size_bytes: int
    sha256: str


class PathSource(Record):
    """A slide of the hospital's own, read in place; ``sha256`` is the worker's to find.

    ``files``: all its files, relative to the folder at ``path`` or around it. ``inodes``: their inode numbers; none
    where the file system may change them.
    """

    type: Literal["path"] = "path"
    path: str
    size_bytes: int
    mtime_ns: int
    inodes: tuple[int | None, ...]
    files: tuple[str, ...]


class ObjectSource(Record):
    """A slide in an object store, fetched by each attempt; ``sha256`` is the worker's to find.

    ``object``: its address, s3://bucket/key. ``etag`` and ``version``, where the store keeps any, as at the request.
    """

    type: Literal["object"] = "object"
    object: str
    size_bytes: int
    etag: str
    version: str | None


Source = Annotated[UploadSource | PathSource | ObjectSource, Field(discriminator="type")]


class JobFields(Stated):
    """What a sender says of a job: of its slide, how urgent it is, and whom to tell when it is over."""

    priority: Priority = Field(default="routine", description="FHIR request priority")
    callback_url: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        default=None,
        description="gets a POST when the job is over (docs/api.md); its host must be listed in XMAG_CALLBACK_HOSTS",
        examples=["https://ris.hospital.example/slides/done"],
    )


class JobRequest(JobFields, Record):
    """request.json: everything a worker needs, immutable from the 202 on."""

    id: str
    created_at: datetime
    source: Source
    model: str
    tasks: tuple[str, ...]
    named_tasks: tuple[str, ...] = Field(
        description="the tasks that the caller named; empty: all that the worker's model has"
    )
    dicom: DicomIdentity | None = Field(
        default=None, description="identifiers in the slide's DICOM header; for an object, see the outcome"
    )
    tenant: str = Field(default="", description="whose job it is: the key's tenant; empty on a server without keys")
    owner: str = Field(
        default="", description="opaque ID of the key or token holder that made the job; empty without keys"
    )
    idempotency: str | None = Field(default=None, description="sha256 of the Idempotency-Key")
    request_id: str | None = Field(default=None, description="X-Request-ID of the POST, for the worker's log")

    @property
    def holder(self) -> Holder:
        """Owner of the job."""
        return Holder(self.tenant, self.owner)


class JobError(Record):
    """Why a job failed."""

    code: str
    message: str
    origin: Origin
    retryable: bool

    @classmethod
    def of(cls, error: XmagError) -> "JobError":
        """The record of a typed error."""
        return cls(code=error.code, message=error.message, origin=error.origin, retryable=error.retryable)


class Outcome(Record):
    """outcome.json: written once, never overwritten. ``folder``: the attempt whose files count."""

    state: FinalState
    folder: str | None = None
    error: JobError | None = None
    attempt: int
    started_at: datetime | None = None
    finished_at: datetime
    warnings: tuple[str, ...] = Field(default=(), description="the codes of the result's warnings")
    validated: bool | None = Field(
        default=None, description="whether all heads of the result are validated; null without predictions"
    )
    dicom: DicomIdentity | None = Field(default=None, description="as in the result; null without one")


def dicom_of(request: JobRequest, outcome: Outcome | None) -> DicomIdentity | None:
    """Identifiers in the header of a job's slide. Those of an object are known once the job has succeeded."""
    return request.dicom or (None if outcome is None else outcome.dicom)


class Tombstone(Record):
    """Record of an erased job: its owner and the time of erasure."""

    erased_at: datetime
    tenant: str = ""
    owner: str = ""

    @property
    def holder(self) -> Holder:
        """Owner of the job."""
        return Holder(self.tenant, self.owner)
