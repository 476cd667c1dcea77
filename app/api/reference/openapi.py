"""What FastAPI cannot see for itself: bodies that are read as streams, events, and headers that many answers have."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api.problems import MEDIA_TYPE, RETRY_AFTER_S, Problem
from app.api.reference.analyze_reference import REFERENCE, body_schemas
from app.api.reference.openapi_parts import headers

TAGS = [
    {"name": name, "description": text}
    for name, text in {
        "analyze": "Send a slide",
        "jobs": "Follow, cancel and erase jobs",
        "results": "Download results",
        "uploads": "Send large slides in pieces (tus 1.0.0)",
        "viewer": "Show the slide",
        "models": "Installed models",
        "session": "Log in from a browser",
        "health": "Probes and metrics",
    }.items()
]
"""In the order in which an integrator needs them."""
_EVENTS = "text/event-stream"
_METHODS = ("get", "post", "patch", "delete", "head", "options")
_REQUEST_ID = headers(X_Request_ID="ID of the request in the logs: the one you sent, if it was a UUID or similar")
_RANGE = {
    "name": "Range",
    "in": "header",
    "required": False,
    "description": "one byte range",
    "schema": {"type": "string", "examples": ["bytes=0-1023"]},
}


def operation_id(route: APIRoute) -> str:
    """What generated clients call a route: its function's name, where the route says no other."""
    return route.name


def complete_openapi(app: FastAPI) -> None:
    """Add them to the application's OpenAPI document."""
    plain = app.openapi
    completed: dict[str, Any] | None = None

    def openapi() -> dict[str, Any]:
        nonlocal completed
        document = plain()
        if document is not completed:  # FastAPI keeps what it made until a route is added
            _complete(document)
            completed = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _complete(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template=REFERENCE)
    for name, schema in {"Problem": problem, **body_schemas(), **_event_schemas()}.items():
        schemas.setdefault(name, schema)
    for operation in _operations(document):
        for status, answer in operation["responses"].items():
            answer["headers"] = answer.get("headers", {}) | _REQUEST_ID | _of_problem(status, answer)
            if _EVENTS in answer.get("content", {}):
                answer["content"] = {_EVENTS: {"schema": _STREAM}}  # FastAPI's itemSchema is OpenAPI 3.2's
        if "206" in operation["responses"]:
            operation["parameters"].append(_RANGE)


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (path[method] for method in _METHODS if method in path)


def _of_problem(status: str, answer: dict[str, Any]) -> dict[str, Any]:
    if MEDIA_TYPE not in answer.get("content", {}):
        return {}
    if status in map(str, RETRY_AFTER_S):
        return headers(Retry_After="seconds to wait")
    return headers(WWW_Authenticate="Bearer") if status == "401" else {}


_STREAM = {
    "type": "string",
    "contentMediaType": _EVENTS,
    "contentSchema": {
        "type": "array",
        "items": {"oneOf": [{"$ref": REFERENCE.format(model=name)} for name in ("JobEvent", "ErasedEvent")]},
    },
}


def _event_schemas() -> dict[str, Any]:
    job = {"$ref": REFERENCE.format(model="JobView")}
    gone = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    return {"JobEvent": _event("job", "A job as it stands now.", job), "ErasedEvent": _event("erased", "Gone.", gone)}


def _event(name: str, description: str, data: dict[str, Any]) -> dict[str, Any]:
    json_text = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    return {
        "type": "object",
        "description": description,
        "properties": {"event": {"type": "string", "const": name}, "data": json_text},
        "required": ["event", "data"],
    }
