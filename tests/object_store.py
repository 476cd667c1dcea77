"""A real S3 server in a process of its own, and a line to it that can be held in the middle of an object."""

import contextlib
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
from botocore.config import Config

KEYS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret-of-nobody"}
BUCKET = "slides"
START_S = 30.0


class ObjectServer:
    """moto's server with the bucket ``slides``. Objects live as long as the process."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> "ObjectServer":
        """Start it, again at the same address, and make the bucket."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | KEYS,
        )
        deadline = time.monotonic() + START_S
        while True:
            try:
                httpx.get(f"{self.url}/moto-api/data.json", timeout=START_S).raise_for_status()
                break
            except httpx.TransportError:
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        self.client.create_bucket(Bucket=BUCKET)
        return self

    @property
    def client(self) -> Any:
        """Another client than the service's own."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 1}),
        )

    def put(self, key: str, data: bytes) -> str:
        """Store an object; its address."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)
        return f"s3://{BUCKET}/{key}"

    def delete(self, key: str) -> None:
        """Remove an object."""
        self.client.delete_object(Bucket=BUCKET, Key=key)

    @contextmanager
    def asking_for_keys(self) -> Iterator[None]:
        """While inside, it refuses keys that it does not know, and it knows none."""
        httpx.post(f"{self.url}/moto-api/reset-auth", content="0").raise_for_status()
        try:
            yield
        finally:
            httpx.post(f"{self.url}/moto-api/reset-auth", content="inf").raise_for_status()

    def stop(self) -> None:
        """End it, with all that it holds."""
        self.process.kill()
        self.process.wait()


class Line(socketserver.ThreadingTCPServer):
    """Carries bytes to a port and back. ``hold``: so many more bytes come back, and no other until ``free``.

    ``overlooks``: the name of a header that the other side does not see.
    """

    daemon_threads = False  # closing waits for them, so that no socket is left behind
    allow_reuse_address = True

    def __init__(self, port: int, at: int = 0, overlooks: bytes = b"") -> None:
        super().__init__(("127.0.0.1", at), _Carrier)
        self.overlooks = overlooks
        self.there, self.came_back, self.hold_after = port, 0, sys.maxsize
        self.freed, self.is_held = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def hold(self, after_bytes: int) -> None:
        """Let so many more bytes come back, then hold them."""
        self.freed.clear()
        self.is_held.clear()
        self.hold_after = self.came_back + after_bytes

    def free(self) -> None:
        """Let everything pass."""
        self.hold_after = sys.maxsize
        self.freed.set()

    def stop(self) -> None:
        """Cut it."""
        self.free()
        self.shutdown()
        self.server_close()


class _Carrier(socketserver.BaseRequestHandler):
    server: Line

    def handle(self) -> None:
        with contextlib.suppress(ConnectionRefusedError):
            there = socket.create_connection(("127.0.0.1", self.server.there))
            with there:
                out = threading.Thread(target=self._carry, args=(self.request, there))
                out.start()
                self._carry(there, self.request, comes_back=True)
                out.join()

    def _carry(self, source: socket.socket, sink: socket.socket, comes_back: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if comes_back:
                    self.server.came_back += len(data)
                    if self.server.came_back > self.server.hold_after:
                        self.server.is_held.set()
                        self.server.freed.wait()
                elif self.server.overlooks:
                    data = data.replace(self.server.overlooks, b"x" * len(self.server.overlooks))
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
