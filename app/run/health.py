"""Does this container's API, or its worker, do its work? For a container engine's health check.

    python -I -m app.run.health api
    python -I -m app.run.health worker [how many]

Standard library only, and of that little: it runs every few seconds, and must cost next to nothing.
"""

import os
import socket
import sys
from pathlib import Path

from app.errors import SetupError
from app.system.heartbeat import beating

PORT = 8000
WAIT_S = 3.0


def check_api(port: int) -> str:
    """Whether the API answers that it lives. SetupError when it does not."""
    question = f"GET /v2/health/live HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as line:
            line.sendall(question.encode())
            with line.makefile("rb") as answer:
                status = answer.readline(200).decode("latin-1").split()
    except OSError as error:
        raise SetupError(f"The API does not answer on port {port}: {error}.") from error
    if status[1:2] != ["200"]:
        raise SetupError(f"The API answers {' '.join(status) or 'nothing'} on port {port}.")
    return f"The API answers on port {port}."


def check_workers(folder: Path, wanted: int = 1) -> str:
    """Which workers said lately that queue, loop and model are well. SetupError below ``wanted``."""
    names = beating(folder)
    if len(names) < wanted:
        raise SetupError(f"{len(names)} of {wanted} workers of this host have their model loaded and warm.")
    return ", ".join(names)


def main(arguments: list[str]) -> int:
    """One line, and an exit code: 0 well, 1 not."""
    try:
        print(_check(arguments))  # noqa: T201 (the answer)
    except SetupError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 (the engine keeps it beside the exit code)
        return 1
    return 0


def _check(arguments: list[str]) -> str:
    match arguments:
        case ["api"]:
            return check_api(int(os.environ.get("XMAG_PORT") or PORT))
        case ["worker", *rest] if all(count.isdecimal() for count in rest) and len(rest) < 2:
            folder = os.environ.get("XMAG_HEARTBEAT_DIR")
            if not folder:
                raise SetupError("XMAG_HEARTBEAT_DIR is not set: workers write no heartbeat on this machine.")
            return check_workers(Path(folder), *map(int, rest))
        case _:
            raise SetupError("Say `python -I -m app.run.health api`, or `worker` and how many there should be.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
