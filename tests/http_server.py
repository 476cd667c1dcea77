"""A server of a test's own, in a thread: what it answers is the test's to say."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietHandler(BaseHTTPRequestHandler):
    """Does not log requests."""

    def log_message(self, *_) -> None:
        return


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_) -> None:
        """Clients that are not let in are no news."""


@contextmanager
def serving(handler: type[QuietHandler], host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """host:port of a server that answers by ``handler`` while the block lasts."""
    server = ThreadingHTTPServer((host, 0), handler) if tls is None else _Server((host, 0), handler)
    if tls is not None:  # the handshake is the thread's of each connection: one that fails stops no other
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
