"""A service of our own for a benchmark: `xmag serve` on a free port, more workers beside it, jobs by path."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from machine import ROOT

from app.jobs.queue.embedded import socket_path

START_S, JOB_S = 60.0, 300.0


class Served:
    """Runs as long as its block. ``folder``: its data; ``slides``: the folder that jobs name slides in.

    ``prefix``: what its command line begins with, such as taskset; ``settings``: others, as app.settings names them.
    """

    def __init__(self, folder: Path, slides: Path, prefix: Sequence[str] = (), **settings: str | int) -> None:
        folder.mkdir(exist_ok=True)
        self._prefix = prefix
        self._data_dir = folder / "data"
        self._log = folder / "log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("XMAG_")}
        self._environment = environment | {
            "XMAG_PORT": "0",
            "XMAG_DATA_DIR": str(self._data_dir),
            "XMAG_MODELS_DIR": str(ROOT / "models"),
            "XMAG_SLIDE_ROOTS": str(slides),
            "XMAG_LOG_FORMAT": "json",
            "PYTHONUNBUFFERED": "1",
            **{f"XMAG_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Served":
        self._start("serve", self._environment, self._prefix)
        self.url = self._wait_for(r"ready: (\S+)", 1)[0]
        self._http = httpx.Client(base_url=self.url, timeout=60)
        self._wait_for(r"worker\.ready", 1)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            _end(process)
        if hasattr(self, "_http"):
            self._http.close()

    def add_worker(self, prefix: Sequence[str] = ()) -> None:
        """One more; returns when it is ready."""
        count = len(re.findall("worker.ready", self._log.read_text()))
        url = self._environment.get("XMAG_REDIS_URL") or f"unix://{socket_path(self._data_dir)}"
        self._start("worker", self._environment | {"XMAG_REDIS_URL": url}, prefix)
        self._wait_for("worker.ready", count + 1)

    def end_worker(self) -> None:
        """The last one added ends."""
        _end(self._processes.pop())

    def submit(self, slide: Path) -> str:
        """The accepted job's id."""
        answer = self._http.post("/analyze", json={"source": {"type": "path", "path": str(slide)}})
        answer.raise_for_status()
        return str(answer.json()["id"])

    def result(self, job_id: str) -> dict[str, Any]:
        """Waits for the job's end; RuntimeError if it did not succeed."""
        deadline = time.monotonic() + JOB_S
        while time.monotonic() < deadline:
            job = self._http.get(f"/jobs/{job_id}").raise_for_status().json()
            if job["state"] == "succeeded":
                return dict(self._http.get(f"/jobs/{job_id}/result").raise_for_status().json())
            if job["state"] in {"failed", "cancelled"}:
                raise RuntimeError(f"job {job_id}: {job['state']}, {job['error']}")
            time.sleep(0.1)
        raise TimeoutError(f"job {job_id} took more than {JOB_S:.0f} s")

    def batch_fill(self) -> float:
        """How full the workers' batches were, 0 to 1, all since the start."""
        text = self._http.get("/metrics").raise_for_status().text
        tiles, slots = (
            float(re.findall(rf"^xmag_batch_{name}_total (\S+)", text, re.M)[0]) for name in ("tiles", "slots")
        )
        return tiles / slots

    def slides_per_minute(self, slides: Sequence[Path]) -> float:
        """All of them asked for at once, until the last is done."""
        start = time.perf_counter()
        for job_id in [self.submit(slide) for slide in slides]:
            self.result(job_id)
        return 60 * len(slides) / (time.perf_counter() - start)

    def _start(self, command: str, environment: dict[str, str], prefix: Sequence[str]) -> None:
        full = [*prefix, sys.executable, "-m", "app.cli", command]
        with self._log.open("ab") as log:
            process = subprocess.Popen(full, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self._processes.append(process)

    def _wait_for(self, pattern: str, count: int) -> list[str]:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            found = re.findall(pattern, self._log.read_text())
            if len(found) >= count:
                return found
            time.sleep(0.1)
        raise TimeoutError(f"the service did not say {pattern!r}; its log ends:\n{self._log.read_text()[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=60)
