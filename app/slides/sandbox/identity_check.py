"""What a reader process says of a slide's identifiers, with every value checked."""

from app.slides.identity import (
    IDENTIFIER_MAX_CHARS,
    ISSUER_MAX_CHARS,
    SPECIMENS_MAX,
    DicomIdentity,
    Specimen,
    is_identifier,
)
from app.slides.sandbox.channel import ChannelGarbledError, Message


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
