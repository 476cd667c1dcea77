"""`xmag serve`: API, one worker and the queue server together, watched over. For one machine.

The listening socket belongs to the supervisor: while a dead API is started again, connections wait instead of
being refused.
"""

import ctypes
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from app.errors import SetupError
from app.jobs.embedded import ensure_embedded
from app.settings import Settings

log = structlog.stdlib.get_logger("xmag.serve")
EXIT_SETUP = 78  # EX_CONFIG: starting again would not help
STEADY_S = 60.0
PAUSE_MAX_S = 10.0
QUEUE_LOOK_S = 2.0
QUEUE_SILENT_MAX = 10
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """In a new child: get SIGTERM when the parent dies, however it dies (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # our own address, whatever http_proxy says


class Child:
    """A process that is started again when it dies, after a pause that grows while it keeps dying."""

    def __init__(
        self, name: str, arguments: list[str], environment: dict[str, str], keep: tuple[int, ...] = ()
    ) -> None:
        self.name, self._arguments, self._environment, self._keep = name, arguments, environment, keep
        self._pause_s = 0.5
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def start(self) -> None:
        """Start it, in a session of its own: a Ctrl-C is the supervisor's to hand on."""
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *self._arguments],
            env=self._environment,
            pass_fds=self._keep,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 (the supervisor has one thread when it starts children)
        )
        log.info("started", child=self.name, pid=self._process.pid)

    def look(self, stopping: Callable[[float], bool], *, is_proven: bool) -> None:
        """Start it again if it died.

        SetupError if it said that this would not help, unless the set-up worked before (``is_proven``): then what
        broke may come back, and the rest goes on meanwhile.
        """
        if self._process is None or self._process.poll() is None:
            return
        if self._process.returncode == EXIT_SETUP and not is_proven:
            raise SetupError(f"The {self.name} cannot run as configured; its message is above.")
        if time.monotonic() - self._started > STEADY_S:
            self._pause_s = 0.5
        log.error("died, starting again", child=self.name, exit=self._process.returncode, pause_s=self._pause_s)
        if not stopping(self._pause_s):
            self._pause_s = min(self._pause_s * 2, PAUSE_MAX_S)
            self.start()

    def end(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL if that does not do within ``grace_s``."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            log.error("does not end, killed", child=self.name)
            self._process.kill()
            self._process.wait()


class QueueWatch:
    """The embedded queue server, started again when it died or has not answered for several looks."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.server = ensure_embedded(data_dir, preexec=end_with_parent)
        self._look_at, self._silent = 0.0, 0

    def look(self) -> None:
        """Look every two seconds. A start that fails is tried again: jobs wait on disk meanwhile."""
        process = self.server.process
        is_dead = process is not None and process.poll() is not None
        if not is_dead and time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + QUEUE_LOOK_S
        self._silent = 0 if not is_dead and self.server.is_running() else self._silent + 1
        if not is_dead and self._silent < QUEUE_SILENT_MAX:
            return
        log.error("died or silent, starting again", child="queue")
        try:
            self.server.stop()
            self.server = ensure_embedded(self._data_dir, preexec=end_with_parent)
            self._silent = 0
        except SetupError as error:
            log.error("does not start", child="queue", reason=error.message)


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM. SetupError when the set-up cannot work."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with _alone(settings.data_dir), _listen(settings) as listening:
        port = listening.getsockname()[1]
        watch = None if settings.redis_url else QueueWatch(settings.data_dir)
        environment = {**os.environ, "XMAG_PORT": str(port)}
        if watch is not None:
            environment["XMAG_REDIS_URL"] = watch.server.url
        api = Child("api", ["api", "--fd", str(listening.fileno())], environment, keep=(listening.fileno(),))
        worker = Child("worker", ["worker"], environment)
        url = settings.model_copy(update={"port": port}).base_url
        try:
            say(f"xmag-serve is starting on {url}")
            for child in (worker, api):
                child.start()
            is_announced = False
            while not stop.wait(0.2):
                for child in (api, worker):
                    child.look(stop.wait, is_proven=is_announced)
                if watch is not None:
                    watch.look()
                if not is_announced and _is_ready(url):
                    is_announced = True
                    say(f"ready: open {url} , or POST a slide to {url}/analyze   (Ctrl-C ends)")
        finally:
            say("ending")
            api.end(grace_s=10)
            worker.end(grace_s=settings.drain_s + 10)
            if watch is not None:
                watch.server.stop()


def _is_ready(url: str) -> bool:
    try:
        with _DIRECT.open(f"{url}/v2/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError):
        return False


def _listen(settings: Settings) -> socket.socket:
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        raise SetupError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set XMAG_HOST or XMAG_PORT."
        ) from error
    return listening


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """One supervisor per data folder."""
    with (data_dir / "serve.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetupError("Another xmag serve runs on this data folder. End it, or set XMAG_DATA_DIR.") from error
        yield
