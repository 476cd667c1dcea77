"""What tus says in headers, for the OpenAPI document."""

from typing import Any

from app.api.reference.openapi_parts import BINARY, Responses, headers
from app.api.reference.refusals import A_PIECE, AN_UPLOAD, TUS, responses
from app.errors import EmptyUploadError, XmagError

VERSION = "1.0.0"
BODY_TYPE = "application/offset+octet-stream"
_BYTES = {"type": "integer", "minimum": 0}
_SPOKEN = headers(Tus_Resumable=f"version of the tus protocol, {VERSION}")
_STATE = _SPOKEN | headers(
    Upload_Offset="bytes that are on disk for good", Upload_Expires="when it is erased if nothing more comes"
)


def _refusals(*errors: type[XmagError]) -> Responses:
    found = responses(*errors)
    found[412] = found[412] | {"headers": headers(Tus_Version="supported versions")}
    return found


ABLE: Responses = {
    204: {
        "headers": _SPOKEN
        | headers(
            Tus_Version="supported versions",
            Tus_Extension="extensions of the protocol, comma-separated",
            Tus_Max_Size="bytes that an upload may have",
        )
    }
}
BEGUN: Responses = {
    201: {"headers": _STATE | headers(Location="the upload: /uploads/{id}")},
    **_refusals(*TUS, *A_PIECE, EmptyUploadError),
}
LOOKED_AT: Responses = {
    200: {"headers": _STATE | headers(Upload_Length="bytes of the whole file")},
    **_refusals(*AN_UPLOAD),
}
SENT: Responses = {204: {"headers": _STATE}, **_refusals(*AN_UPLOAD, *A_PIECE)}
GIVEN_UP: Responses = {204: {"headers": _SPOKEN}, **_refusals(*AN_UPLOAD)}


def _header(name: str, description: str, schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


def _piece(*, required: bool) -> dict[str, Any]:
    return {"required": required, "content": {BODY_TYPE: {"schema": BINARY}}}


_RESUMABLE = _header("Tus-Resumable", "version of the tus protocol", {"type": "string", "enum": [VERSION]})
_OFFSET = _header("Upload-Offset", "offset of the piece: the number of bytes that the server has", _BYTES)

SPEAK: dict[str, Any] = {"parameters": [_RESUMABLE]}
BEGIN: dict[str, Any] = {
    "parameters": [
        _RESUMABLE,
        _header("Upload-Length", "bytes of the whole file", _BYTES),
        _header(
            "Upload-Metadata",
            "comma-separated names, each with a base64 value; of filename only the extension is kept",
            {"type": "string", "examples": ["filename c2xpZGUuc3Zz"]},
            required=False,
        ),
    ],
    "requestBody": _piece(required=False),
}
SEND: dict[str, Any] = {"parameters": [_RESUMABLE, _OFFSET], "requestBody": _piece(required=True)}
