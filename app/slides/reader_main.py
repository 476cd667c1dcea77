"""The reader process: the only place where C decoders meet files that we did not write.

On Linux it is forked (``app.slides.nursery``); elsewhere ``python -m app.slides.reader_main <socket fd> <memory bytes>
<processor s>``. Its standard input is a pipe that ends when the parent does.
"""

import os
import resource
import socket
import sys
import threading

from app.process import go_by_name
from app.slides.confine import give_up_network
from app.slides.landlock import shut_in

_OPEN_FILES = 256
_LAST_WORDS_S = 5
"""SIGXCPU says why it ends; SIGKILL follows for what does not listen."""
_FILE_BYTES = 2**20
"""All it may write to files is what decoders say on standard error."""


def main() -> None:
    """Be a reader as the command line says."""
    be_reader(*(int(text) for text in sys.argv[1:4]))


def be_reader(socket_fd: int, memory_bytes: int, cpu_s: int) -> None:
    """Set the limits, then answer until the parent goes away."""
    go_by_name("xmag-reader")
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CPU, cpu_s, _LAST_WORDS_S)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
    confined = {"files": shut_in(), "network": give_up_network()}
    threading.Thread(target=_die_with_parent, daemon=True).start()
    from app.slides.reader_service import serve  # noqa: PLC0415  (after the limits, which hold for loading libraries too)

    serve(socket.socket(fileno=socket_fd), confined)


def _limit(what: int, value: int, more: int = 0) -> None:
    """``more``: what is left between being told and being killed."""
    _, hard = resource.getrlimit(what)
    end = value + more if hard == resource.RLIM_INFINITY else min(value + more, hard)
    resource.setrlimit(what, (min(value, end), end))


def _die_with_parent() -> None:
    """Ends the process when the pipe on standard input does, even in the middle of a decoder's work."""
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
