"""The real service in its own processes, for tests to talk to and to break."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from app.jobs.queue.embedded import socket_path
from app.system.redis import RedisConnection

ROOT = Path(__file__).resolve().parent.parent
START_S = 60.0


class Requests:
    """What tests ask of a service, wherever it runs."""

    http: httpx.Client
    data_dir: Path
    lines: list[str]

    def post(self, slide: Path, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        """POST /analyze with an upload."""
        with slide.open("rb") as file:
            return self.http.post("/analyze", files={"slide": (slide.name, file)}, data=fields, headers=headers)

    def submit(self, slide: Path, **fields: str) -> str:
        """POST /analyze; the accepted job's id."""
        answer = self.post(slide, **fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, object]:
        """GET /jobs/{id}."""
        answer = self.http.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, job_id: str, *states: str, timeout_s: float = 60) -> dict[str, object]:
        """Poll until the job is in one of ``states`` (default: over); a connection that breaks is made again."""
        job: dict[str, object] = {}
        wanted = states or ("succeeded", "failed", "cancelled")
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                job = self.job(job_id)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if job["state"] in wanted:
                return job
            time.sleep(0.05)
        raise AssertionError(f"job is {job}; the service said:\n" + "\n".join(self.lines[-40:]))

    def job_folders(self) -> set[str]:
        """Names in the jobs folder."""
        return {path.name for path in (self.data_dir / "jobs").iterdir()}


class Service(Requests):
    """`xmag serve` on a free port with a data folder of its own."""

    def __init__(self, data_dir: Path, **settings: str | int | float) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self.besides: dict[str, str] = {}
        self.lines: list[str] = []
        self.url = ""

    def environment(self) -> dict[str, str]:
        """What its processes are given; ``besides`` is for variables that are not settings."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("XMAG_")}
        return environment | {
            "XMAG_PORT": "0",
            "XMAG_DATA_DIR": str(self.data_dir),
            "XMAG_MODELS_DIR": str(ROOT / "models"),
            "XMAG_LOG_FORMAT": "json",
            "PYTHONUNBUFFERED": "1",
            **{f"XMAG_{name.upper()}": str(value) for name, value in self.settings.items()},
            **self.besides,
        }

    def start(self) -> "Service":
        """Start, and wait until it says that it is ready."""
        command = [sys.executable, "-m", "app.cli", "serve"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()
        try:
            self.url = self.wait_for_line(r"ready: (\S+)").group(1)
        except AssertionError:
            self.stop(signal.SIGKILL)
            raise
        self.http = httpx.Client(base_url=self.url, timeout=60)
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for_line(self, pattern: str, timeout_s: float = START_S) -> re.Match[str]:
        """The first line that matches, past ones included."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in list(self.lines):
                found = re.search(pattern, line)
                if found:
                    return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"no line matches {pattern!r}; the service said:\n" + "\n".join(self.lines[-40:]))

    def events(self) -> list[dict[str, object]]:
        """The log so far."""
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    def pid(self, child: str) -> int:
        """Process id of the latest `api` or `worker`."""
        return [
            int(str(e["pid"])) for e in self.events() if e.get("event") == "process.started" and e["child"] == child
        ][-1]

    @contextmanager
    def paused(self, child: str) -> Iterator[None]:
        """A process of the service stands still in this block."""
        pid = self.pid(child)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # on a busy machine the service ended it for its missing heartbeat
                os.kill(pid, signal.SIGCONT)

    def queue_url(self) -> str:
        """Address of the embedded queue server."""
        return f"unix://{socket_path(self.data_dir)}"

    def queue_pid(self) -> int:
        """Process id of the embedded queue server."""
        client = RedisConnection(self.queue_url()).client
        try:
            return int(client.info()["process_id"])
        finally:
            client.close()

    def another_worker(self, log: Path) -> "subprocess.Popen[bytes]":
        """A worker beside the service's own, which nobody starts again; its log is appended to ``log``."""
        environment = self.environment() | {"XMAG_REDIS_URL": self.queue_url()}
        with log.open("ab") as file:
            return subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], cwd=ROOT, env=environment, stderr=file)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 40) -> int:
        """End it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=timeout_s)
        self.reading.join(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self.url:
            self.http.close()
        return self.process.returncode


def until(check, timeout_s: float = 10) -> None:
    """Wait until ``check()`` is true."""
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.05)
