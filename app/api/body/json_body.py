"""JSON bodies: UTF-8 (RFC 8259), each key once, and only numbers that JSON allows."""

import json
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from app.api.body.upload import timed_body
from app.errors import RequestInvalidError, TooLargeError
from app.settings import Settings

JSON_MAX_BYTES = 64 * 1024
Schema = TypeVar("Schema", bound=BaseModel)


async def read_json(request: Request, settings: Settings) -> object:
    """The body. RequestInvalidError, TooLargeError, and those of ``timed_body``."""
    body = bytearray()
    async for chunk in timed_body(request, settings):
        body += chunk
        if len(body) > JSON_MAX_BYTES:
            raise TooLargeError(f"A JSON request may hold {JSON_MAX_BYTES} bytes at most.")
    return parse_json(bytes(body))


def parse_json(body: bytes) -> object:
    """The document. A byte order mark before it is ignored."""
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_each_once, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise RequestInvalidError("The body is not UTF-8, as JSON has to be.") from error
    except json.JSONDecodeError as error:
        raise RequestInvalidError(f"The body is not valid JSON: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise RequestInvalidError("The JSON has a number of thousands of digits, or too many brackets.") from error


def validated(schema: type[Schema], values: object, *, is_strict: bool) -> Schema:
    """``is_strict``: for JSON, whose values have types; a form has texts only."""
    try:
        return schema.model_validate(values, strict=is_strict)
    except ValidationError as error:
        parts = (f"{'.'.join(map(_shown, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        raise RequestInvalidError("; ".join(parts)) from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise RequestInvalidError(f"{_shown(name)} was sent twice. Send it once.")
        found[name] = value
    return found


def _no_number(text: str) -> NoReturn:
    raise RequestInvalidError(f"The body is not valid JSON: {text} is not a number.")


def _shown(name: str | int) -> str:
    """A name chosen by the client, made safe to send back (without lone surrogates, for example)."""
    text = str(name)
    return text[:80] if text.isprintable() else repr(text)[:80]
