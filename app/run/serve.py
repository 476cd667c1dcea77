"""`xmag serve`: API, one worker and the queue server together, watched over. For one machine.

The listening socket belongs to the supervisor: while a dead API is started again, connections wait instead of
being refused.
"""

import http.client
import json
import os
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.access.keys import KeyStore
from app.errors import QueueUnavailableError, SetupError
from app.jobs.queue.presence import live_workers
from app.run.supervisor import Child, QueueWatch
from app.settings import Settings, prepare_data_dir
from app.system.durable import locked
from app.system.process import go_by_name
from app.system.redis import RedisConnection
from app.system.running import SERVE

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # our own address, whatever http_proxy says


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM. SetupError when the set-up cannot work."""
    go_by_name(SERVE)
    prepare_data_dir(settings)
    KeyStore(settings.data_dir, also_tokens=settings.oidc_issuer is not None).check_exposure(settings.host)
    stop, hurry = threading.Event(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: (hurry if stop.is_set() else stop).set())
    with _alone(settings.data_dir), _listen(settings) as listening:
        port = listening.getsockname()[1]
        url = settings.model_copy(update={"port": port}).base_url
        watch = None if settings.redis_url else QueueWatch(settings.data_dir)
        environment = {**os.environ, "XMAG_PORT": str(port), "XMAG_REDIS_URL": _redis_url(settings, watch)}
        fd = listening.fileno()
        xmag = [sys.executable, "-m", "app.cli"]
        api = Child(
            "api", [*xmag, "api", "--fd", str(fd)], environment, lambda _: _answers(f"{url}/v2/health/live"), (fd,)
        )
        worker = Child("worker", [*xmag, "worker"], environment, lambda pid: _has_beat(environment, pid))
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
                    if watch.server.url != environment["XMAG_REDIS_URL"]:
                        environment["XMAG_REDIS_URL"] = watch.server.url
                        for child in (api, worker):
                            child.end(grace_s=10)  # the next look starts it with the new address
                if not is_announced and _has_workers(url):
                    is_announced = True
                    say(f"ready: {url} (POST slides to /analyze). Ctrl-C ends.")
        finally:
            say(
                f"Stopping. Running jobs have {settings.drain_s:g} s to finish (Ctrl-C again: requeue now). "
                "Waiting jobs are kept."
            )
            worker.ask_to_end()
            api.end(grace_s=10)
            worker.end(grace_s=settings.drain_s + 10, hurry=hurry)
            if watch is not None:
                watch.server.stop()


def _redis_url(settings: Settings, watch: QueueWatch | None) -> str:
    return watch.server.url if watch is not None else settings.redis_url or ""


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError):
        return False


def _has_workers(url: str) -> bool:
    """Whether a worker is ready, also where the disk is too full for it to take a job."""
    try:
        try:
            answer = _DIRECT.open(f"{url}/v2/health/ready", timeout=2)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return bool(json.load(answer).get("workers"))
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _has_beat(environment: dict[str, str], pid: int) -> bool | None:
    """Whether the worker with ``pid`` on this machine said lately that it lives; None while Redis is silent."""
    redis = RedisConnection(environment["XMAG_REDIS_URL"], timeout_s=2)
    try:
        return any(found.name.startswith(f"{socket.gethostname()}-{pid}-") for found in live_workers(redis))
    except QueueUnavailableError:
        return None
    finally:
        redis.close()


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
    with locked(data_dir / "serve.lock", wait=False) as is_alone:
        if not is_alone:
            raise SetupError("Another xmag serve runs on this data folder. End it, or set XMAG_DATA_DIR.")
        yield
