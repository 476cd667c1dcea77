"""What POST /analyze takes, answers and sends later, for the OpenAPI document: its body is read as a stream."""

from typing import Annotated, Any

from fastapi import APIRouter, Header

from app.api.reference.openapi_parts import BINARY, Responses, headers
from app.api.schemas import AnalyzeBySource, AnalyzeFields, RerunFields
from app.jobs.callbacks import Notice

REFERENCE = "#/components/schemas/{model}"
EXTRA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {"$ref": REFERENCE.format(model="AnalyzeForm")}},
            "application/json": {
                "schema": {"$ref": REFERENCE.format(model="AnalyzeBySource")},
                "example": {"source": {"type": "path", "path": "/slides/S26-001234-A1.svs"}, "priority": "stat"},
            },
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "the same key with the same slide and fields gives the same job",
        }
    ],
}
RERUN_EXTRA: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {"schema": {"$ref": REFERENCE.format(model="RerunFields")}, "example": {"mpp": 0.25}}
        },
    },
    "parameters": EXTRA["parameters"],
}
ACCEPTED: Responses = {
    202: {"headers": headers(Location="the job: /jobs/{id}", Retry_After="seconds until the first poll")}
}
callback = APIRouter()


@callback.post(
    "{$request.body#/callback_url}",
    status_code=204,
    operation_id="job_over",
    summary="A job is over",
    response_description="Any 2xx: it has arrived",
    responses={"default": {"description": "Refused: it is sent again, for about a day"}},
)
def job_over(
    notice: Notice,
    xmag_timestamp: Annotated[int, Header(alias="Xmag-Timestamp", description="Unix seconds of this try")],
    xmag_signature: Annotated[
        str,
        Header(
            alias="Xmag-Signature",
            description="sha256= and the hex HMAC-SHA256, with the shared secret, of timestamp, full stop and body",
        ),
    ],
) -> None:
    """Sent to the request's `callback_url`; it may come twice."""


def body_schemas() -> dict[str, Any]:
    """The schemas of both bodies and of all that they refer to, by name."""
    named = {"title": "AnalyzeForm", "description": "A slide and its fields."}
    form = AnalyzeFields.model_json_schema(ref_template=REFERENCE) | named
    form["properties"] = {
        "slide": {**BINARY, "description": "one slide file, or a .zip of several"},
        **form["properties"],
        "tasks": {"type": "string", "description": "comma-separated, default all", "examples": ["malignancy"]},
    }
    form["required"] = ["slide"]
    by_source = AnalyzeBySource.model_json_schema(ref_template=REFERENCE)
    rerun = RerunFields.model_json_schema(ref_template=REFERENCE)
    del rerun["properties"]["sha256"]
    return {**by_source.pop("$defs"), "AnalyzeForm": form, "AnalyzeBySource": by_source, "RerunFields": rerun}
