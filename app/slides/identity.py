"""Identifiers in the slide's own header. A patient's name and id are never read."""

from dataclasses import dataclass

from app.identifiers import NO_VALUE, fault, trimmed

IDENTIFIER_MAX_CHARS = 64
"""The longest text (LO) that DICOM allows for an identifier, and the longest UID (PS3.5, table 6.2-1)."""
ISSUER_MAX_CHARS = 200
SPECIMENS_MAX = 50


@dataclass(frozen=True)
class Specimen:
    """One specimen on the slide: Specimen Identifier (0040,0551) and Specimen UID (0040,0554)."""

    id: str | None
    uid: str | None


@dataclass(frozen=True)
class DicomIdentity:
    """Identifiers of a slide in its DICOM header; None if the header has none.

    ``accession`` (0008,0050) is the case, ``container`` (0040,0512) the slide. Issuers have the form used in HL7:
    ``namespace``, or ``namespace&universal id&its type``.
    """

    study_uid: str | None
    series_uid: str | None
    frame_of_reference_uid: str | None
    accession: str | None
    accession_issuer: str | None
    container: str | None
    container_issuer: str | None
    specimens: tuple[Specimen, ...] = ()


def is_identifier(text: str, chars_max: int = IDENTIFIER_MAX_CHARS) -> bool:
    """Whether ``text`` can be an identifier: as a request may have it, not too long, printable."""
    is_trimmed = 0 < len(text) <= chars_max and text == trimmed(text)
    return is_trimmed and text.isprintable() and text not in NO_VALUE and fault(text) is None
