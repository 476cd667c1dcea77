"""Whether a slide is the one that the request names, by the slide's own header."""

from typing import Literal

from app.errors import IdentityConflictError
from app.slides.types import SlideInfo
from app.stated import Stated
from app.warning import coded

IdentityPolicy = Literal["refuse", "warn"]
"""What happens to a slide whose DICOM header names another case or slide than the request."""
_CHECK = "Check that it is the right slide."


def identity_warnings(stated: Stated, info: SlideInfo, policy: IdentityPolicy) -> tuple[str, ...]:
    """Warnings where the header of the slide ``info`` contradicts the request. The warnings contain no values.

    ``case_id`` is compared with DICOM's accession number, ``slide_id`` with its container, both exactly. Another
    vendor's barcode only ever makes a warning. IdentityConflictError for a DICOM header, if ``policy`` is "refuse".
    """
    found = []
    if info.identity is not None:
        if _differ(stated.case_id, info.identity.accession):
            found.append("The accession number in the slide's DICOM header differs from the request's case_id.")
        if _differ(stated.slide_id, info.identity.container):
            found.append("The container identifier in the slide's DICOM header differs from the request's slide_id.")
    if found and policy == "refuse":
        raise IdentityConflictError(f"{' '.join(found)} {_CHECK}")
    if _differ(stated.slide_id, info.barcode):
        found.append("The barcode in the slide's header differs from the request's slide_id.")
    return tuple(coded("identity_differs", f"{sentence} {_CHECK}") for sentence in found)


def _differ(requested: str | None, read: str | None) -> bool:
    return requested is not None and read is not None and requested != read
