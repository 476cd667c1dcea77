"""Identifiers in the slide's own header. A patient's name and id are never read."""

from dataclasses import dataclass

from app.identifiers import NO_VALUE, fault, trimmed
from app.slides.sandbox.channel import ChannelGarbledError, Message

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


def identity_from_json(value: object) -> DicomIdentity | None:
    """The header data sent by the reader process, with every value checked. Raises ChannelGarbledError."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ChannelGarbledError("identity")
    specimens = value.get("specimens")
    if not isinstance(specimens, list) or len(specimens) > SPECIMENS_MAX:
        raise ChannelGarbledError("specimens")
    return DicomIdentity(
        study_uid=identifier_or_none(value, "study_uid"),
        series_uid=identifier_or_none(value, "series_uid"),
        frame_of_reference_uid=identifier_or_none(value, "frame_of_reference_uid"),
        accession=identifier_or_none(value, "accession"),
        accession_issuer=identifier_or_none(value, "accession_issuer", ISSUER_MAX_CHARS),
        container=identifier_or_none(value, "container"),
        container_issuer=identifier_or_none(value, "container_issuer", ISSUER_MAX_CHARS),
        specimens=tuple(_specimen(item) for item in specimens),
    )


def identifier_or_none(message: Message, key: str, chars_max: int = IDENTIFIER_MAX_CHARS) -> str | None:
    """The identifier under ``key``, or None. Raises ChannelGarbledError."""
    value = message.get(key)
    if value is None or (isinstance(value, str) and is_identifier(value, chars_max)):
        return value
    raise ChannelGarbledError(key)


def _specimen(value: object) -> Specimen:
    if not isinstance(value, dict):
        raise ChannelGarbledError("specimen")
    return Specimen(identifier_or_none(value, "id"), identifier_or_none(value, "uid"))
