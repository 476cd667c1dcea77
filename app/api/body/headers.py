"""What a request's headers say of its body."""

from fastapi import Request


def media_type(request: Request) -> str:
    """In lower case, without parameters; empty where the request names none."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def content_length(request: Request) -> int:
    """In bytes; 0 where the request names none."""
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0
