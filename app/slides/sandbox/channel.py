"""One JSON object per line over a socket. Never pickle: what a taken-over decoder sends must stay data."""

import json
import select
import socket
import time
from collections import deque
from typing import Any

LINE_MAX_BYTES = 2**20
_RECEIVE_BYTES = 65536
_FDS_MAX = 4

Message = dict[str, Any]


class ChannelClosedError(Exception):
    """The other side is gone."""


class ChannelTimeoutError(Exception):
    """The other side did not answer in time."""


class ChannelGarbledError(Exception):
    """The other side sent what is no message."""


class Channel:
    """Messages over a connected unix socket. ``takes_fds``: accept descriptors (the reader process does)."""

    def __init__(self, sock: socket.socket, takes_fds: bool = False) -> None:
        self._socket = sock
        self._takes_fds = takes_fds
        self._buffer = b""
        self._fds: deque[int] = deque()

    def send(self, message: Message, *fds: int) -> None:
        """Send ``message``, and descriptors with it. Raises ChannelClosedError."""
        data = json.dumps(message, allow_nan=False).encode() + b"\n"
        try:
            if fds:
                sent = socket.send_fds(self._socket, [data], fds)
                data = data[sent:]
            self._socket.sendall(data)
        except OSError as error:
            raise ChannelClosedError from error

    def receive(self, timeout_s: float | None = None) -> Message:
        """The next message. Raises ChannelTimeoutError, ChannelClosedError, ChannelGarbledError."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            if len(self._buffer) > LINE_MAX_BYTES:
                raise ChannelGarbledError("line too long")
            self._buffer += self._more(deadline)
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ChannelGarbledError("no JSON") from error
        if not isinstance(message, dict):
            raise ChannelGarbledError("no object")
        return message

    def take_fd(self) -> int:
        """The next descriptor that came with the last message. Raises ChannelGarbledError when none did."""
        if not self._fds:
            raise ChannelGarbledError("no descriptor")
        return self._fds.popleft()

    def shut_down(self) -> None:
        """End the conversation; a ``receive`` that waits in another thread returns at once."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _more(self, deadline: float | None) -> bytes:
        poll = select.poll()
        try:
            poll.register(self._socket, select.POLLIN)
            wait_ms = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            if not poll.poll(wait_ms):
                raise ChannelTimeoutError
            if self._takes_fds:
                data, fds, _, _ = socket.recv_fds(self._socket, _RECEIVE_BYTES, _FDS_MAX)
                self._fds.extend(fds)
            else:
                data = self._socket.recv(_RECEIVE_BYTES)
        except (OSError, ValueError) as error:
            raise ChannelClosedError from error
        if not data:
            raise ChannelClosedError
        return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
