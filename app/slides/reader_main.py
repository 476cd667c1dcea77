"""The reader process: the only place where C decoders meet files that we did not write.

Started by ``app.slides.reader`` as ``python -m app.slides.reader_main <socket fd> <memory bytes>``; its standard
input is a pipe that ends when the parent does. Imports nothing that it does not need, to be quick at hand.
"""

import os
import resource
import socket
import sys
import threading

_OPEN_FILES = 256
_FILE_BYTES = 2**20
"""All it may write to files is what decoders say on standard error."""


def main() -> None:
    """Set the limits, then answer until the parent goes away."""
    socket_fd, memory_bytes = int(sys.argv[1]), int(sys.argv[2])
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    from app.slides.reader_service import serve  # noqa: PLC0415  (after the limits, which hold for loading libraries too)

    serve(socket.socket(fileno=socket_fd))


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


def _die_with_parent() -> None:
    """Ends the process when the pipe on standard input does, even in the middle of a decoder's work."""
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
