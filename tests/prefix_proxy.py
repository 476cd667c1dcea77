"""A reverse proxy in front of a service: strips a prefix from addresses, as nginx and Caddy do."""

import http.client
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host"}


class PrefixProxy(ThreadingHTTPServer):
    """``http://127.0.0.1:PORT<prefix>/x`` is ``upstream``'s ``/x``; nothing else is there. ``asked``: the paths."""

    daemon_threads = True

    def __init__(self, prefix: str, upstream_port: int = 0, *, keeps_host: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.prefix, self.upstream_port, self.keeps_host = prefix, upstream_port, keeps_host
        self.asked: list[str] = []
        self.public_url = f"http://127.0.0.1:{self.server_port}{prefix}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address) -> None:
        """A browser that goes away in the middle of an answer is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PrefixProxy

    def _pass(self) -> None:
        self.server.asked.append(self.path)
        path = self.path.removeprefix(self.server.prefix)
        if path == self.path or not path.startswith("/"):
            self.send_error(404)
            return
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.upstream_port)) as upstream:
            self._exchange(upstream, path)
        self.close_connection = True

    def _exchange(self, upstream: http.client.HTTPConnection, path: str) -> None:
        host = self.headers["Host"] if self.server.keeps_host else f"127.0.0.1:{self.server.upstream_port}"
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers |= {"Host": host, "X-Forwarded-For": self.client_address[0], "X-Forwarded-Proto": "http"}
        length = int(self.headers.get("Content-Length", 0))
        upstream.request(self.command, path, self.rfile.read(length) if length else None, headers)
        with upstream.getresponse() as answer:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while chunk := answer.read1(65536):
                self.wfile.write(chunk)
                self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = do_OPTIONS = _pass  # noqa: N815 (the library's names)

    def log_message(self, *_) -> None:
        pass
