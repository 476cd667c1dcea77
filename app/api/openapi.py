"""What FastAPI cannot see for itself: the schemas of bodies that are read as streams, and of problem documents."""

from typing import Any

from fastapi import FastAPI

from app.api.problems import Problem
from app.api.schemas import AnalyzeBySource

_REFERENCE = "#/components/schemas/{model}"


def complete_openapi(app: FastAPI) -> None:
    """Add them to the application's OpenAPI document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        schemas = document["components"]["schemas"]
        schemas.setdefault("Problem", Problem.model_json_schema(ref_template=_REFERENCE))
        for name, schema in AnalyzeBySource.model_json_schema(ref_template=_REFERENCE).get("$defs", {}).items():
            schemas.setdefault(name, schema)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
