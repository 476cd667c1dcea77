"""The refusals that a route may answer, for the OpenAPI document: an entry per status, an example per code."""

import http
import inspect
from typing import Any, NamedTuple

from app import errors
from app.api.problems import MEDIA_TYPE
from app.errors import Origin, XmagError

Responses = dict[int | str, dict[str, Any]]


class Refusal(NamedTuple):
    """A code with its status; ``text`` says when it is answered."""

    status: int
    code: str
    origin: Origin
    retryable: bool
    text: str


def _of(error: type[XmagError]) -> Refusal:
    text = " ".join((inspect.getdoc(error) or "").partition("\n\n")[0].replace("``", "`").split())
    return Refusal(error.status, error.code, error.origin, error.retryable, text.rstrip(".") + ".")


_MEANINGS = {
    400: "The body ended early or does not parse",
    401: "No valid key",
    403: "Not allowed",
    404: "No such job, upload, model or tile, or the result lacks it",
    408: "The upload stalled",
    409: "Not in this state",
    410: "Erased",
    412: "Another version of the protocol",
    413: "Too large",
    415: "Not a slide, or not the right media type",
    422: "Unusable",
    423: "Another request writes it",
    429: "The queue is full, or too many refused credentials came from this address",
    503: "The service, its disk, its queue or something that it depends on is not ready",
}
Errors = tuple[type[XmagError], ...]
ACCESS: Errors = (
    errors.UnauthenticatedError,
    errors.ForbiddenError,
    errors.TooManyFailuresError,
    errors.IdentityUnavailableError,
    errors.QueueUnavailableError,
)
"""What any route that needs a key may answer."""
A_JOB: Errors = (*ACCESS, errors.JobNotFoundError, errors.JobErasedError)
A_RESULT: Errors = (*A_JOB, errors.DiskLowError, errors.ResultNotReadyError, errors.ResultPendingError)
A_TASK: Errors = (*A_RESULT, errors.TaskNotFoundError, errors.RequestInvalidError)
A_BODY: Errors = (errors.UploadBrokenError, errors.UploadStalledError, errors.TooLargeError, errors.RequestInvalidError)
READING_A_SLIDE: Errors = (
    errors.NotASlideError,
    errors.DecoderCrashedError,
    errors.DecoderTimeoutError,
    errors.MppImplausibleError,
    errors.MppMissingError,
    errors.ResolutionTooLowError,
    errors.SlideCorruptError,
    errors.SlideMissingError,
    errors.SlideTooCostlyError,
    errors.SlideTooManyFilesError,
    errors.SlideUnsafeError,
    errors.SlideUnsupportedError,
    errors.StorageUnavailableError,
)
ROOM: Errors = (errors.DiskLowError, errors.DrainingError, errors.QueueFullError)
A_NEW_JOB: Errors = (
    *ACCESS,
    *A_BODY,
    *ROOM,
    *READING_A_SLIDE,
    errors.CallbackNotAllowedError,
    errors.IdempotencyKeyReusedError,
    errors.IdentityConflictError,
    errors.ModelNotFoundError,
    errors.NoModelError,
    errors.ObjectNotAllowedError,
    errors.PathNotAllowedError,
    errors.SourceChangedError,
    errors.TaskNotFoundError,
    errors.UploadTypeError,
)
A_NEW_SLIDE: Errors = (
    *A_NEW_JOB,
    errors.ArchiveInvalidError,
    errors.ArchiveUnsafeError,
    errors.DigestMismatchError,
    errors.EmptyUploadError,
    errors.UploadBusyError,
    errors.UploadIncompleteError,
    errors.UploadNotFoundError,
)
A_RERUN: Errors = (*A_NEW_JOB, *A_JOB, errors.ResultPendingError, errors.SlideGoneError)
THE_SLIDE: Errors = (
    *A_JOB,
    *READING_A_SLIDE,
    errors.DiskLowError,
    errors.DrainingError,
    errors.RequestInvalidError,
    errors.SlideGoneError,
    errors.SourceChangedError,
    errors.ViewerBusyError,
)
TUS: Errors = (*ACCESS, errors.RequestInvalidError, errors.TusVersionError)
AN_UPLOAD: Errors = (*TUS, errors.UploadBusyError, errors.UploadNotFoundError)
A_PIECE: Errors = (
    *A_BODY,
    *ROOM,
    errors.UploadOffsetError,
    errors.UploadTypeError,
)
NO_TILE = Refusal(404, "not_found", "user", False, "The slide's pyramid has no such tile.")
_OTHERS = (
    Refusal(405, "method_not_allowed", "user", False, "The address knows other methods."),
    *map(_of, (errors.InternalError, errors.RecordUnreadableError)),
)


def responses(*refusals: type[XmagError] | Refusal) -> Responses:
    """OpenAPI entries for what a route may answer, by status: an example for each code."""
    by_status: dict[int, dict[str, Refusal]] = {}
    for one in refusals:
        refusal = one if isinstance(one, Refusal) else _of(one)
        by_status.setdefault(refusal.status, {}).setdefault(refusal.code, refusal)
    return {status: _entry(_MEANINGS[status], *found.values()) for status, found in sorted(by_status.items())}


def _entry(description: str, *refusals: Refusal) -> dict[str, Any]:
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {r.code: _example(r) for r in refusals}}
    return {"description": description, "content": {MEDIA_TYPE: content}}


def _example(refusal: Refusal) -> dict[str, Any]:
    value = {
        "type": "about:blank",
        "title": http.HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.text,
        "code": refusal.code,
        "origin": refusal.origin,
        "retryable": refusal.retryable,
    }
    return {"summary": refusal.code, "value": value}


ANY_OTHER: Responses = {"default": _entry("Any other refusal or failure", *_OTHERS)}
