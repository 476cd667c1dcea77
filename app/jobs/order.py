"""What is asked for in a request, and on whose behalf."""

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator

from app.access.audit import Actor
from app.jobs.intake.intake import fingerprint_of
from app.records.record import Holder, JobFields, JobRequest, Source
from app.stated import Word


class Order(JobFields):
    """Everything that may be said of a job; all optional."""

    model: Word | None = Field(default=None, description="default: the server's", examples=["xmag-lite0"])
    tasks: list[Word] | None = Field(
        default=None, description="heads to run, default all; in a form: comma-separated", examples=[["malignancy"]]
    )
    sha256: Annotated[str, StringConstraints(pattern="^[0-9A-Fa-f]{64}$")] | None = Field(
        default=None,
        description="SHA-256 of the file (upload only); another file is refused as digest_mismatch",
    )

    @field_validator("tasks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    def fingerprint(self, source: Source) -> str:
        """SHA-256 of slide and order: equal for equal requests."""
        return fingerprint_of(source, self.model_dump(include=set(Order.model_fields) - {"sha256"}))

    def after(self, before: JobRequest) -> Self:
        """The order of ``before``, with the fields that are set here in place of its own."""
        sent = self.model_dump(exclude_unset=True)
        kept = before.model_dump(include=set(JobFields.model_fields) | {"model"})
        if "model" not in sent:
            kept["tasks"] = list(before.named_tasks) or None
        return type(self).model_validate(kept | sent)


@dataclass(frozen=True)
class Sender:
    """On whose behalf a job is made. ``idempotency``: SHA-256 of holder and Idempotency-Key, if one was sent."""

    holder: Holder
    actor: Actor
    request_id: str | None = None
    idempotency: str | None = None
