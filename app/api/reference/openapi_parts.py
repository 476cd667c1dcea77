"""Bodies and headers of answers that FastAPI cannot see into, as the OpenAPI document names them."""

from typing import Any

Responses = dict[int | str, dict[str, Any]]
BINARY = {"type": "string", "format": "binary"}
_WHERE = {"Content-Range": {"description": "which bytes of how many", "schema": {"type": "string"}}}


def content(media_type: str) -> Responses:
    """The entry for a route that answers 200 with this: text, a JSON object, or bytes."""
    schema: dict[str, Any] = BINARY
    if media_type.startswith("text/"):
        schema = {"type": "string"}
    elif media_type.endswith("+json"):
        schema = {"type": "object"}
    return {200: {"content": {media_type: {"schema": schema}}}}


def ranges(media_type: str) -> Responses:
    """The entries for a stored file of which a Range may be asked for."""
    return {
        206: {"description": "The bytes asked for", "headers": _WHERE, "content": {media_type: {"schema": BINARY}}},
        416: {"description": "The range begins beyond the file's end (no body)", "headers": _WHERE},
    }


def file_content(media_type: str) -> Responses:
    """Both."""
    return content(media_type) | ranges(media_type)


def headers(**described: str) -> dict[str, Any]:
    """Response headers by name (``_`` for ``-``), each with what it says."""
    return {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in described.items()
    }
