"""The process that readers are forked from: ``python -m app.slides.sandbox.fork_server_main <socket fd>``.

Has one thread and opens no slide. Its standard input is a pipe that ends when the parent does; readers inherit it.
"""

import gc
import os
import socket
import sys
import traceback
from collections.abc import Callable

import app.slides.sandbox.reader_service  # noqa: F401 (everything is loaded before the first fork)
from app.slides.sandbox.channel import Channel, ChannelClosedError
from app.slides.sandbox.readable import libraries
from app.slides.sandbox.reader_main import be_reader
from app.system.process import go_by_name

NICENESS = 10
"""Decoding gives way to answering; a worker's readers are as nice as the worker."""


def main() -> None:
    """Fork a reader whenever asked to, until the parent goes away."""
    go_by_name("xmag-forkserver")
    os.nice(max(0, NICENESS - os.nice(0)))
    channel = Channel(socket.socket(fileno=int(sys.argv[1])), takes_fds=True)
    libraries()  # looked up once
    gc.freeze()  # what is loaded stays shared: no collection in a reader writes to it
    while True:
        try:
            request = channel.receive()
        except ChannelClosedError:
            return
        line, stderr = channel.take_fd(), channel.take_fd()

        def reader(line: int = line, stderr: int = stderr, request: dict[str, int] = request) -> None:
            channel.close()
            os.dup2(stderr, 2)
            os.close(stderr)
            be_reader(line, request["memory_bytes"], request["cpu_s"])

        try:
            answer: dict[str, int | str] = {"pid": _orphan(reader)}
        except OSError as error:
            answer = {"errno": error.errno or 0, "reason": error.strerror or "unknown"}
        os.close(line)
        os.close(stderr)
        channel.send(answer)


def _orphan(be_it: Callable[[], None]) -> int:
    """Run ``be_it`` in a process whose parent is gone; its process id. OSError when none can be made."""
    told, tell = os.pipe()
    middle = os.fork()
    if middle == 0:
        _fork_and_leave(be_it, tell)
    os.close(tell)
    os.waitpid(middle, 0)
    said = os.read(told, 100).decode()
    os.close(told)
    if not said.isdigit():
        number = int(said or "0")
        raise OSError(-number, os.strerror(-number) if number else "its parent died")
    return int(said)


def _fork_and_leave(be_it: Callable[[], None], tell: int) -> None:
    """In the middle process: fork, tell the process id (or the error's number, negative), and go. Never returns."""
    try:
        pid = os.fork()
    except OSError as error:
        os.write(tell, str(-(error.errno or 1)).encode())
        os._exit(1)
    if pid != 0:
        os.write(tell, str(pid).encode())
        os._exit(0)
    os.close(tell)
    code = 1
    try:
        be_it()
        code = 0
    except BaseException:  # noqa: BLE001 (whatever it was, it must not go on as a second fork server)
        traceback.print_exc()
    os._exit(code)


if __name__ == "__main__":
    main()
