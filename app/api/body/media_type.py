"""The media type of a request's body."""

from fastapi import Request


def media_type(request: Request) -> str:
    """In lower case, without parameters; empty where the request names none."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()
