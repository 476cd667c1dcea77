"""HTTP connections that are cut off when a request's header does not come.

uvicorn waits for a header as long as the client likes, so that connections which dribble could use the process's
file descriptors up (slow loris). Bodies have limits of their own: see upload.py.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.problems import MEDIA_TYPE, problem_response
from app.errors import UploadStalledError


def impatient(header_max_s: float) -> type[asyncio.Protocol]:
    """A protocol for uvicorn: 408 and the end of the connection when a header takes longer than ``header_max_s``.

    The time runs from the connection, or from a later request's first byte; between requests uvicorn's own limit holds.
    """

    class Impatient(HttpToolsProtocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn names the narrower class
            self._await_header()

        def connection_lost(self, exc: Exception | None) -> None:
            self._header_is_here()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            is_between = self.cycle is not None and self.cycle.response_complete
            if is_between and self.timeout_keep_alive_task is None:  # empty lines, say, are no request
                self._await_header()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._await_header()

        def on_headers_complete(self) -> None:
            self._header_is_here()
            super().on_headers_complete()

        def _await_header(self) -> None:
            if self._timer is None:
                self._timer = self.loop.call_later(header_max_s, self._cut_off)

        def _header_is_here(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _cut_off(self) -> None:
            if not self.transport.is_closing():
                self.transport.write(_too_slow(header_max_s))
                self.transport.close()

    return Impatient


def _too_slow(header_max_s: float) -> bytes:
    problem = problem_response(
        UploadStalledError(f"The request's header was not complete within {header_max_s:g} s. Send it again.")
    )
    text = bytes(problem.body)
    head = (
        "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n"
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text
