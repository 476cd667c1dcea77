"""A slide's way to the service: in pieces that survive a lost connection (tus 1.0), then POST /analyze."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import httpx

from app.client.retry import Backoff
from app.client.service import PASSING, Job, RefusedError, Service, as_job, checked

Sent = Callable[[int], None]
"""Called with the bytes that are sent so far."""
_TUS: Final = {"Tus-Resumable": "1.0.0"}
_PIECE: Final = 64 * 2**20
"""Bytes of one PATCH: what a proxy that spools requests has to hold, and what is sent again at worst."""
_CHUNK: Final = 2**18
_AFRESH: Final = 3
_GO_ON: Final = PASSING | {409}
"""After these, ask how far the upload is and go on from there."""


def submit(service: Service, slide: Path, fields: dict[str, Any], key: str, sent: Sent) -> Job:
    """Upload the slide and ask for its analysis. ``key``: the Idempotency-Key: trying again makes no second job.

    RefusedError when the service says no, OutOfPatienceError, OSError when the file cannot be read.
    """
    for _ in range(_AFRESH):
        place = _create(service, slide)
        try:
            _send(service, slide, place, sent)
            return _ask(service, {"type": "upload", "id": place.rpartition("/")[2]}, fields, key)
        except RefusedError as error:
            if error.status not in {404, 410}:  # forgotten there, or another try took it: send it afresh
                _give_up(service, place)
                raise
            lost = error
    raise lost


def submit_object(service: Service, address: str, fields: dict[str, Any], key: str) -> Job:
    """Ask for the analysis of an object that the service can read itself. As ``submit`` otherwise."""
    return _ask(service, {"type": "object", "object": address}, fields, key)


def _ask(service: Service, source: dict[str, str], fields: dict[str, Any], key: str) -> Job:
    body = {"source": source, **fields}
    return as_job(service.insist(lambda: service.http.post("/analyze", json=body, headers={"Idempotency-Key": key})))


def content_key(slide: Path, fields: dict[str, Any]) -> str:
    """The same for the same bytes and fields, so that a batch can be sent twice and makes each job once."""
    with slide.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _key([digest, sorted(fields.items())])


def address_key(address: str, fields: dict[str, Any]) -> str:
    """The same for the same address and fields."""
    return _key([address, sorted(fields.items())])


def _key(what: list[object]) -> str:
    return "submit-" + hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _create(service: Service, slide: Path) -> str:
    """Where the upload goes."""
    name = base64.b64encode(slide.name.encode("utf-8", "replace")).decode()
    headers = {**_TUS, "Upload-Length": str(slide.stat().st_size), "Upload-Metadata": f"filename {name}"}
    answer = service.insist(lambda: service.http.post("/uploads/", headers=headers))
    if "location" not in answer.headers:
        raise RefusedError(answer.status_code, "not_xmag", "The server at that address is not xmag-serve.")
    return "/uploads/" + answer.headers["location"].rstrip("/").rpartition("/")[2]  # wherever a proxy says it is


def _send(service: Service, slide: Path, place: str, sent: Sent) -> None:
    size, offset, backoff = slide.stat().st_size, 0, Backoff(service.patience_s)
    with slide.open("rb") as file:
        while offset < size:
            headers = {**_TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            headers["Content-Length"] = str(min(_PIECE, size - offset))
            file.seek(offset)
            try:
                answer = service.http.patch(place, content=_piece(file, offset, sent), headers=headers)
                reason = f"the service answers {answer.status_code}" if answer.status_code in _GO_ON else ""
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            if reason:
                backoff.wait(None, reason)
                answer = service.insist(lambda: service.http.head(place, headers=_TUS))
            before, offset = offset, int(checked(answer).headers["upload-offset"])
            if offset > before:
                backoff.reset()
            sent(offset)


def _piece(file: IO[bytes], offset: int, sent: Sent) -> Iterator[bytes]:
    end = offset + _PIECE
    while offset < end and (chunk := file.read(min(_CHUNK, end - offset))):
        yield chunk
        offset += len(chunk)
        sent(offset)


def _give_up(service: Service, place: str) -> None:
    """What was refused need not stay there; if that fails too, the service erases it in time."""
    with suppress(httpx.TransportError):
        service.http.delete(place, headers=_TUS)
