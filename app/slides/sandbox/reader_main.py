"""The reader process: the only place where C decoders meet files that we did not write.

On Linux it is forked (``app.slides.sandbox.fork_server``); elsewhere
``python -m app.slides.sandbox.reader_main <socket fd> <memory bytes>
<processor s>``. Its standard input is a pipe that ends when the parent does.
"""

import resource
import socket
import sys

from app.system.process import go_by_name

_OPEN_FILES = 256
_LAST_WORDS_S = 5
"""SIGXCPU says why it ends; SIGKILL follows for what does not listen."""
_TASKS = 8192
"""A second barrier: once it knows its slide, a reader makes neither processes nor threads (see confine). The kernel
counts all tasks of the user, and none of root."""
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
    _limit(resource.RLIMIT_NPROC, _TASKS)
    # After the limits, which hold for loading libraries too.
    from app.slides.sandbox.confinement import Confinement  # noqa: PLC0415
    from app.slides.sandbox.reader_service import serve  # noqa: PLC0415

    serve(socket.socket(fileno=socket_fd), Confinement())


def _limit(what: int, value: int, more: int = 0) -> None:
    """``more``: what is left between being told and being killed."""
    _, hard = resource.getrlimit(what)
    end = value + more if hard == resource.RLIM_INFINITY else min(value + more, hard)
    resource.setrlimit(what, (min(value, end), end))


if __name__ == "__main__":
    main()
