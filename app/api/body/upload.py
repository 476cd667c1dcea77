"""A multipart body, streamed: the slide goes straight to its final file and is hashed on the way."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.api.body.form import FormReader
from app.errors import (
    EmptyUploadError,
    RequestInvalidError,
    UploadStalledError,
)
from app.jobs.admission import Arrival, disk_low, too_large
from app.jobs.intake.unpack import ReceivedFile
from app.jobs.threads import Threads
from app.settings import Settings
from app.slides.formats.catalogue import slide_suffix
from app.system.disk import has_room

BUFFER_BYTES, BUFFER_S = 1 << 20, 0.5
DISK_LOOK_BYTES = 16 << 20
STEP_BYTES = 64 * 1024
"""An upload that needs ``upload_idle_s`` for this many bytes counts as stalled, even if single bytes still arrive."""
FORM_OVERHEAD_BYTES = 1 << 20


class SlideFile:
    """The file of the part named ``slide``: hashed and counted on its way to the disk."""

    def __init__(self, folder: Path, max_bytes: int, disk_free_min_bytes: int) -> None:
        self._folder, self._max_bytes, self._disk_free_min_bytes = folder, max_bytes, disk_free_min_bytes
        self._look_at_bytes = 0
        self._sha256 = hashlib.sha256()
        self._file: IO[bytes] | None = None
        self._path: Path | None = None
        self._size_bytes = 0

    def start(self, file_name: str) -> None:
        """Begins the part. Only the file extension of the name is kept."""
        self._path = self._folder / f"slide{slide_suffix(file_name)}"
        self._file = self._path.open("xb", buffering=0)

    def write(self, data: bytes) -> None:
        """Writes some bytes of the slide. TooLargeError, DiskLowError."""
        assert self._file is not None
        self._size_bytes += len(data)
        if self._size_bytes > self._max_bytes:
            raise too_large(self._max_bytes)
        if self._size_bytes >= self._look_at_bytes:
            self._look_at_bytes = self._size_bytes + DISK_LOOK_BYTES
            if not has_room(self._folder, 0, keep_free_bytes=self._disk_free_min_bytes):
                raise disk_low()
        self._sha256.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def finish(self) -> None:
        """All of it is here: make it durable."""
        assert self._file is not None
        os.fsync(self._file.fileno())
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def received(self) -> ReceivedFile:
        """The file of a form that was read to its end. RequestInvalidError without one, EmptyUploadError."""
        if self._path is None:
            raise RequestInvalidError("The form has no field named slide with a file in it.")
        if self._size_bytes == 0:
            raise EmptyUploadError("The file is empty (0 bytes). Check the export, and send it again.")
        return ReceivedFile(self._path, self._size_bytes, self._sha256.hexdigest())


async def receive_form(  # noqa: PLR0917 (what a form is read with)
    request: Request,
    folder: Path,
    field_names: tuple[str, ...],
    arrival: Arrival,
    settings: Settings,
    threads: Threads,
) -> tuple[ReceivedFile, dict[str, str]]:
    """Read the whole body; the slide's file and the other fields as text.

    Errors: those of FormReader, TooLargeError, DiskLowError, UploadStalledError, and starlette's ClientDisconnect when
    the client hangs up.
    """
    received_bytes = 0
    slide = SlideFile(folder, settings.upload_max_bytes, settings.disk_free_min_bytes)
    form = FormReader(request.headers["content-type"], "slide", slide, field_names)
    try:
        async for chunk in buffered_body(request, settings):
            received_bytes += len(chunk)
            if received_bytes > settings.upload_max_bytes + FORM_OVERHEAD_BYTES:  # what surrounds the parts counts too
                raise too_large(settings.upload_max_bytes)
            await threads.intake.run(arrival.holder, form.feed, chunk)
            arrival.received(len(chunk))
        texts = form.close()
        return slide.received(), texts
    finally:
        slide.close()


async def timed_body(request: Request, settings: Settings) -> AsyncIterator[bytes]:
    """The body as it arrives. UploadStalledError if too little arrives in ``upload_idle_s`` or it takes too long."""
    loop, stream = asyncio.get_running_loop(), request.stream().__aiter__()
    end = loop.time() + settings.upload_max_s
    waited_s, missing_bytes = 0.0, STEP_BYTES
    while True:
        began = loop.time()
        try:
            chunk = await asyncio.wait_for(anext(stream), min(settings.upload_idle_s - waited_s, end - began))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            if loop.time() >= end:
                raise UploadStalledError(
                    f"The upload took longer than {settings.upload_max_s:g} s (XMAG_UPLOAD_MAX_S) and was ended."
                ) from error
            raise UploadStalledError(
                f"Fewer than {STEP_BYTES} bytes were received in {settings.upload_idle_s:g} s. Send the slide again."
            ) from error
        waited_s, missing_bytes = waited_s + loop.time() - began, missing_bytes - len(chunk)
        if missing_bytes <= 0:
            waited_s, missing_bytes = 0.0, STEP_BYTES
        yield chunk


async def buffered_body(request: Request, settings: Settings) -> AsyncIterator[bytes]:
    """The body in blocks of a mebibyte or half a second, so that a thread is asked for seldom.

    What came is given also where the rest does not come; the error follows.
    """
    loop, buffer = asyncio.get_running_loop(), bytearray()
    given_at = loop.time()
    try:
        async for chunk in timed_body(request, settings):
            buffer += chunk
            if len(buffer) >= BUFFER_BYTES or loop.time() - given_at > BUFFER_S:
                yield bytes(buffer)
                buffer.clear()
                given_at = loop.time()
    except (ClientDisconnect, UploadStalledError):
        if buffer:
            yield bytes(buffer)
        raise
    if buffer:
        yield bytes(buffer)
