"""The HTTP/1.1 protocol of the service: uvicorn's, with limits for headers and without changes of protocol.

uvicorn waits for a header without limit and takes any length. Slow connections could use up the process's file
descriptors (slow loris), and long headers its memory. It also appends trailers to the headers of a request that may be
running already. A client behind a proxy could use that to forge its address. Bodies have limits of their own: see
upload.py.

Clients that would rather speak HTTP/2 (Java's HttpClient, ``curl --http2``) send ``Upgrade: h2c``. RFC 9110, 7.8 lets a
server ignore it; the request with its body is then an ordinary one. As httptools takes the body for the new protocol,
uvicorn loses it (Kludex/uvicorn#2722, MagicStack/httptools#124). Once both pass such a body on, the
half of this module that deals with it goes.
"""

import asyncio
from http import HTTPStatus
from typing import ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.problems import MEDIA_TYPE, problem_response
from app.errors import HeadTooLargeError, NotHttpError, UploadStalledError, XmagError

HEAD_MAX_BYTES = 64 * 1024


def impatient(header_max_s: float) -> type[asyncio.Protocol]:
    """A protocol for uvicorn: 408 and the end of the connection when a header takes longer than ``header_max_s``.

    The time runs from the connection, or from a later request's first byte; between requests uvicorn's own limit holds.
    """
    return type("Impatient", (_Impatient,), {"header_max_s": header_max_s})


class _Impatient(HttpToolsProtocol):
    header_max_s: ClassVar[float]

    _timer: asyncio.TimerHandle | None = None
    _head = b""
    _is_in_head = False
    _got_on = False
    _idle_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn names the narrower class
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._got_on = False
        try:
            self._read(data)
        except httptools.HttpParserError:
            self._refuse(NotHttpError("The request is not valid HTTP/1.1. It was not processed."))
            return
        is_in_request = self._is_in_head or (self.cycle is not None and self.cycle.more_body)
        self._idle_bytes = self._idle_bytes + len(data) if is_in_request and not self._got_on else 0
        if self._idle_bytes > HEAD_MAX_BYTES:  # of a header, a trailer or the like
            self._refuse(HeadTooLargeError(f"The request's header is longer than {HEAD_MAX_BYTES} bytes."))
            return
        is_between = self.cycle is not None and self.cycle.response_complete
        if is_between and self.timeout_keep_alive_task is None:  # empty lines, say, are no request
            self._await_header()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = self._got_on = True
        self._await_header()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # trailers are no headers (RFC 9110, 6.5.1), and nothing here needs them
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._got_on = True
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._header_is_here()
        if self.parser.should_upgrade():
            self._head = self._head_without_upgrade()
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _read(self, data: bytes) -> None:
        """Parse ``data``. A head that asks for another protocol is parsed again without asking, then its body."""
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                (body_at,) = upgrade.args
                data = self._head + data[body_at:]
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        method = self.parser.get_method()
        if method == b"CONNECT":  # asks for another protocol by its name alone
            raise httptools.HttpParserInvalidMethodError("CONNECT is for proxies")
        version = self.parser.get_http_version().encode()
        kept = [name + b": " + value + b"\r\n" for name, value in self.headers if name != b"upgrade"]
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(kept))

    def _await_header(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.header_max_s, self._cut_off)

    def _header_is_here(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self) -> None:
        late = f"The request's header was not complete within {self.header_max_s:g} s. Send it again."
        self._refuse(UploadStalledError(late))

    def _refuse(self, error: XmagError) -> None:
        if not self.transport.is_closing():
            self.transport.write(_last_answer(error))
            self.transport.close()


def _last_answer(error: XmagError) -> bytes:
    """The error as an answer that ends its connection."""
    problem = problem_response(error)
    text = bytes(problem.body)
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\nconnection: close\r\n"
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text
