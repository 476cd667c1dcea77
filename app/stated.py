"""What the sender of a slide states of it.

Requests, records, analysis and results embed ``Stated``: a field added to it travels from the API to result.json.
"""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from app.identifiers import NO_VALUE, fault, trimmed
from app.slides.identity import DicomIdentity

CONTEXT_BYTES = 1024


def _checked(value: object) -> object:
    """Texts trimmed and checked; what is no text is left to pydantic."""
    if not isinstance(value, str):
        return value
    text = trimmed(value)
    if text in NO_VALUE:
        raise PydanticCustomError(
            "no_value", "'{text}' is what programs write for no value. Leave the field out", {"text": text}
        )
    found = fault(text)
    if found is not None:
        raise PydanticCustomError(
            "character",
            "character {place} is {kind} (U+{code}). Remove it, or type the text again",
            {"place": found.place, "kind": found.kind, "code": f"{ord(text[found.place - 1]):04X}"},
        )
    return text


Word = Annotated[str, StringConstraints(min_length=1, max_length=200), BeforeValidator(_checked)]
"""A name or number that people type, paste or scan."""


class Stated(BaseModel):
    """What the sender states of a slide; all optional."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    case_id: Word | None = Field(
        default=None, description="accession number; default: a DICOM slide's own", examples=["S26-001234"]
    )
    slide_id: Word | None = Field(
        default=None, description="container barcode; default: a DICOM slide's own", examples=["S26-001234-A1"]
    )
    context: Annotated[str, StringConstraints(max_length=CONTEXT_BYTES)] | None = Field(
        default=None, description="returned as sent, up to 1 KB"
    )
    stain: Word | None = Field(default=None, examples=["H&E"])
    organ: Word | None = Field(default=None, examples=["lung"])
    mpp: float | None = Field(default=None, gt=0, description="µm/px at level 0; overrides the file's", examples=[0.25])

    def named(self, dicom: DicomIdentity | None) -> "Stated":
        """These fields alone; case and slide are taken from the slide's DICOM header if the sender names none."""
        fields = {name: getattr(self, name) for name in Stated.model_fields}
        if dicom is not None:
            fields["case_id"] = self.case_id or dicom.accession
            fields["slide_id"] = self.slide_id or dicom.container
        return Stated.model_validate(fields)

    @field_validator("mpp", mode="before")
    @classmethod
    def _plain_number(cls, value: object) -> object:
        if isinstance(value, str) and "_" in value:  # which Python takes for a thousands separator
            raise ValueError("not a number")
        return value

    @field_validator("context")
    @classmethod
    def _one_kilobyte(cls, value: str | None) -> str | None:
        if value is not None and len(value.encode()) > CONTEXT_BYTES:
            raise ValueError(f"context may hold {CONTEXT_BYTES} bytes at most")
        return value
