"""A whole installation to break: `xmag serve`, more workers beside it, and a client that does not give up."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from redis.exceptions import RedisError

from app.access.audit import AuditLog
from app.jobs.queue.queue import JobQueue
from app.system.redis import RedisConnection
from tests.chaos.ledger import SUCCEEDED, Asked, Ledger, OutcomeWatch, accepted_on_disk, audited_outcomes, essence
from tests.service import Service

PATIENCE_S = 150.0
AUDIT_S = 40.0
AGAIN = {408, 409, 425, 429, 503, 507}


class House:
    """Processes on a data folder of their own. ``references``: slide's name → its result, undisturbed."""

    def __init__(self, folder: Path, slides: dict[str, Path], workers: int = 0, **settings: str | int | float) -> None:
        self.folder, self.slides = folder, slides
        known = {"lease_s": 1, "drain_s": 0, "attempts_max": 20, "queue_max": 10_000}
        self.settings = known | settings
        self.besides: dict[str, str] = {}
        self.references: dict[str, dict[str, Any]] = {}
        self._wanted, self._helpers = workers, list[subprocess.Popen[bytes]]()
        self._helper_queue = ""
        self._numbers = iter(range(10**9))
        self._over = threading.Event()
        self.logs = list[str]()

    def __enter__(self) -> "House":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.open()
        self.watch = OutcomeWatch(self.service.data_dir / "jobs")
        self.watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.watch.stop()

    def open(self) -> None:
        """Start everything, or start it again."""
        self.service = Service(self.folder / "data", **self.settings)
        self.service.besides = self.besides
        self.service.start()
        self._over.clear()
        self._tending = threading.Thread(target=self._tend, daemon=True)
        self._tending.start()

    def _tend(self) -> None:
        """Keep the workers beside the service alive, and at the queue's address."""
        while not self._over.wait(0.05):
            try:
                url = self.service.queue_url()
            except OSError:
                continue
            if url != self._helper_queue:
                for helper in self._helpers:
                    helper.terminate()
                self._helper_queue = url
            gone = [helper for helper in self._helpers if helper.poll() is not None]
            self._helpers = [helper for helper in self._helpers if helper not in gone]
            while len(self._helpers) < self._wanted:
                self._helpers.append(self.service.another_worker(self.folder / "workers.log"))

    def close(self) -> None:
        """End everything in order; what does not end is killed."""
        self._over.set()
        self._tending.join()
        for helper in self._helpers:
            helper.send_signal(signal.SIGCONT)
            helper.terminate()
        self.service.stop(timeout_s=60)
        for helper in self._helpers:
            try:
                helper.wait(timeout=20)
            except subprocess.TimeoutExpired:
                helper.kill()
                helper.wait()
        self._helpers.clear()
        self.logs += self.service.lines

    def cut_power(self) -> None:
        """SIGKILL for every process at once."""
        self._over.set()
        self._tending.join()
        roots = [self.service.process.pid, *(helper.pid for helper in self._helpers)]
        for pid in [*roots, *(pid for root in roots for pid in descendants(root))]:
            kill(pid)
        for helper in self._helpers:
            helper.wait()
        self._helpers.clear()
        self.service.stop()
        self.logs += self.service.lines

    def workers(self) -> list[int]:
        """Process ids of all workers that live."""
        own = [self.service.pid("worker")]
        return [pid for pid in own + [helper.pid for helper in self._helpers] if is_alive(pid)]

    def at_work(self) -> dict[int, set[str]]:
        """Worker's process id → the jobs whose last attempt it began, by the disk."""
        found: dict[int, set[str]] = {}
        for attempts in (self.service.data_dir / "jobs").glob("*/attempts"):
            if (attempts.parent / "outcome.json").exists():
                continue
            lines = attempts.read_text().splitlines()
            worker = re.search(r'"worker": "[^"]*-(\d+)-[0-9a-f]+"', lines[-1]) if lines else None
            if worker and is_alive(int(worker.group(1))):
                found.setdefault(int(worker.group(1)), set()).add(attempts.parent.name)
        return found

    def once_begun(self, job_id: str) -> int:
        """Wait until a worker has the job in hand; its process id."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for pid, jobs in self.at_work().items():
                if job_id in jobs:
                    return pid
            time.sleep(0.02)
        raise AssertionError(f"no worker began {job_id}")

    def stage(self, job_id: str) -> str:
        """How far a job said it is."""
        queue = JobQueue(RedisConnection(self.service.queue_url(), timeout_s=1), 1)
        try:
            return queue.progress(job_id).get("stage", "before the first stage")
        finally:
            queue.redis.client.close()

    def redis(self, call: Callable[[Any], object]) -> None:
        """Ask the queue server for something; nothing happens while it is down."""
        client = RedisConnection(self.service.queue_url(), timeout_s=2).client
        with suppress(RedisError):
            call(client)
        client.close()

    def queue_pid(self) -> int:
        """Process id of the queue server, known without asking it."""
        return next(pid for pid in descendants(self.service.process.pid) if name_of(pid) == "valkey-server")

    def submit(self, ledger: Ledger, slide: str, expected: str = SUCCEEDED, key: str = "", **fields: str) -> str:
        """POST until it is answered with 202, always with the same Idempotency-Key; the job's id."""
        asked = Asked(key or f"{ledger.name}-{next(self._numbers)}", slide, expected)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                answer = self.service.post(self.slides[slide], {"Idempotency-Key": asked.key}, **fields)
            except (httpx.TransportError, RuntimeError, AttributeError):  # dead, closed, or not yet there again
                time.sleep(0.2)
                continue
            if answer.status_code == 202:
                asked.job_id = answer.json()["id"]
                ledger.add(asked)
                return asked.job_id
            if answer.status_code not in AGAIN:
                ledger.find(f"POST was answered with {answer.status_code}: {answer.text[:300]}")
            time.sleep(0.3)
        ledger.find("POST was never answered with 202")
        return ""

    def learn(self) -> None:
        """Analyse every slide undisturbed: what its result is."""
        for name in self.slides:
            job_id = self.service.submit(self.slides[name])
            assert self.service.wait(job_id)["state"] == SUCCEEDED
            self.references[name] = essence(self.get(f"/jobs/{job_id}/result").json())
            assert self.service.http.delete(f"/jobs/{job_id}").status_code == 200

    def get(self, path: str) -> httpx.Response:
        """GET, as often as it takes."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self.service.http.get(path)
                if answer.status_code not in AGAIN:
                    return answer
            except (httpx.TransportError, RuntimeError):
                pass
            assert time.monotonic() < deadline, f"{path} is not answered"
            time.sleep(0.2)

    def settle(self, ledger: Ledger) -> None:
        """Wait for the outcomes, and judge each."""
        for asked in ledger.asked:
            try:
                job = self.service.wait(asked.job_id, timeout_s=PATIENCE_S)
            except AssertionError:
                ledger.lost += 1
                ledger.find(f"{asked.job_id} ({asked.slide}) has no outcome; its folder: {self._listing(asked.job_id)}")
                continue
            error = job["error"] or {}
            got = error.get("code", job["state"])
            result = essence(self.get(f"/jobs/{asked.job_id}/result").json()) if got == SUCCEEDED else None
            if got != asked.expected:
                ledger.wrong += 1
                ledger.find(f"{asked.job_id} ({asked.slide}) ended as {got}, not {asked.expected}: {job}")
            elif result is not None and result != self.references[asked.slide]:
                ledger.wrong += 1
                ledger.find(f"{asked.job_id} ({asked.slide}) has another result than undisturbed: {result}")
            else:
                ledger.right += 1

    def _listing(self, job_id: str) -> list[str]:
        return sorted(path.name for path in (self.service.data_dir / "jobs" / job_id).glob("*"))

    def audit(self, ledgers: list[Ledger]) -> None:
        """What can be told of all jobs together, once they have settled."""
        last, ids = ledgers[-1], [asked.job_id for one in ledgers for asked in one.asked if asked.job_id]
        for job_id in {job_id for job_id in ids if ids.count(job_id) > 1}:
            last.find(f"two submissions share job {job_id}")
        for job_id in accepted_on_disk(self.service.data_dir / "jobs") - set(ids):
            last.doubled += 1
            last.find(f"job {job_id} was made besides those that were asked for")
        deadline = time.monotonic() + AUDIT_S
        while set(ids) - set(audited_outcomes(self.service.data_dir)) and time.monotonic() < deadline:
            time.sleep(0.5)
        counts = audited_outcomes(self.service.data_dir)
        logged = self._outcomes_logged()
        for one in ledgers:
            for asked in one.asked:
                if counts[asked.job_id] == 0:  # more than once is allowed: a crash between the entry and its mark
                    one.find(f"{asked.job_id}: the audit log does not say how it ended")
                if logged.count(asked.job_id) > 1 or asked.job_id in self.watch.changed:
                    one.doubled += 1
                    one.right -= 1
                    one.find(f"{asked.job_id}: its outcome changed, or {logged.count(asked.job_id)} workers wrote one")
        verdict = AuditLog(self.service.data_dir).verify()
        for problem in verdict.problems:
            last.find(f"audit log: {problem}")

    def _outcomes_logged(self) -> list[str]:
        workers = self.folder / "workers.log"
        lines = self.logs + self.service.lines + (workers.read_text().splitlines() if workers.exists() else [])
        found = (re.search(r'"job": ?"([^"]+)"', line) for line in lines if '"job.finished"' in line)
        return [match.group(1) for match in found if match]


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal; False if the process is gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether the process runs, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def name_of(pid: int) -> str:
    """Name of the process's program; empty if it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def descendants(pid: int) -> list[int]:
    """Process ids of all children and theirs."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in map(int, tasks.read_text().split()):
                found += [child, *descendants(child)]
    return found
