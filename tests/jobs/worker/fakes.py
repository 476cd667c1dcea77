"""A worker whose clock, queue, model and readers are made up; its store, outcomes and audit log are real."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import MagicMock

from app.access.audit import AuditLog
from app.errors import QueueUnavailableError
from app.jobs.finish import Finisher
from app.jobs.intake.fetched import Copies
from app.jobs.queue.queue import Lease
from app.jobs.worker.context import Shared
from app.jobs.worker.slot import Slot
from app.records.store import JobStore
from app.settings import Settings
from tests.jobs.requests import committed
from tests.results.make_result import make_result

DOCUMENT = make_result().document


class FakeClock:
    """Stands still until it is advanced."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s

    def advance(self, seconds):
        self.now_s += seconds


class Pauses(threading.Event):
    """An event that nobody waits for: each wait passes at once, by the clock, and is noted in ``waited``."""

    def __init__(self, clock):
        super().__init__()
        self._clock, self.waited = clock, []

    def wait(self, timeout=None):
        self.waited.append(timeout)
        self._clock.advance(timeout or 0)
        return self.is_set()


def away():
    """As the queue while Redis does not answer."""
    raise QueueUnavailableError("Redis does not answer.")


class FakeQueue:
    """One worker's view of the queue: what it was given, and what it gave back, by job id.

    ``when[name]`` is called at each call of the method ``name``, and of ``redis.call`` for the name ``count``.
    """

    def __init__(self):
        self.when: dict[str, Callable[[], None]] = defaultdict(lambda: lambda: None)
        self.renewed: bool | None = True
        self.waiting, self.held, self.ended, self.handed_back, self.reports = [], [], [], [], []
        self.redis = SimpleNamespace(client=MagicMock(), call=self._count)

    def _count(self, function, *args, **kwargs):
        self.when["count"]()
        return function(*args, **kwargs)

    def take(self, consumer, wait_s, guest=None):
        self.when["take"]()
        if not self.waiting:
            return None
        self.held.append(self.waiting.pop(0))
        return Lease(self.held[-1], "stream", "0-1")

    def renew(self, lease, consumer):
        self.when["renew"]()
        return self.renewed

    def done(self, lease):
        self.when["done"]()
        self.held.remove(lease.job_id)
        self.ended.append(lease.job_id)

    def hand_back(self, lease):
        self.when["hand_back"]()
        self.held.remove(lease.job_id)
        self.handed_back.append(lease.job_id)
        self.waiting.append(lease.job_id)

    def report(self, lease, fields):
        self.when["report"]()
        self.reports.append(fields)

    def lapse(self):
        """What is held was not renewed in time: it may be taken anew."""
        self.waiting, self.held = self.waiting + self.held, []


class FakeReaders:
    """Lends readers that only know whether they were closed."""

    def __init__(self, **_):
        self.lent = []

    @contextmanager
    def lease(self):
        self.lent.append(MagicMock(spec_set=["close"]))
        yield self.lent[-1]


class FakeModel:
    """Loads at once; ``check`` raises ``fault`` if there is one."""

    manifest, manifest_sha256, fault = SimpleNamespace(name="m", version="1"), "a" * 64, None

    def warm_up(self):
        pass

    def check(self, device):
        if self.fault:
            raise self.fault


class Bench:
    """A worker with one slot. ``work`` takes the place of run_attempt, with the same arguments."""

    def __init__(self, tmp_path, monkeypatch, **settings):
        self.clock, self.queue, self.model = FakeClock(), FakeQueue(), FakeModel()
        self.store = JobStore(tmp_path / "jobs")
        self.work = succeed
        monkeypatch.setattr("app.jobs.worker.context.ReaderPool", FakeReaders)
        monkeypatch.setattr("app.jobs.worker.context.installed_model", lambda *_: self.model)
        monkeypatch.setattr("app.jobs.worker.slot.run_attempt", self._attempt)
        monkeypatch.setattr("app.jobs.worker.lease_keeper.TURN_S", 0.01)
        known = {"data_dir": tmp_path, "disk_free_min_bytes": 0, "jobs_per_worker": 2, "lease_s": 0.5}
        self.settings = Settings(**(known | settings))
        self.objects = MagicMock(spec_set=["fetch"])
        self.shared = Shared(
            self.settings,
            self.store,
            self.queue,
            finisher=Finisher(self.store, self.queue, AuditLog(tmp_path)),
            copies=Copies(self.settings, self.objects),
            registry=SimpleNamespace(folder=lambda name: name, manifest_sha256=lambda _: self.model.manifest_sha256),
            clock=self.clock,
        )
        self.pauses = self.shared.stopping = Pauses(self.clock)
        self.slot = Slot(self.shared)

    def _attempt(self, request, shared, attempt, means, progress):
        self.work(request, shared, attempt, means, progress)

    def submit(self, **fields) -> str:
        """A job on disk and in the queue."""
        job_id = committed(self.store, **fields).id
        self.queue.waiting.append(job_id)
        return job_id

    def run(self, work) -> str:
        """Submit a job, and take one turn, in which ``work`` is what the attempt does."""
        job_id, self.work = self.submit(), work
        self.slot.turn()
        return job_id

    def try_again(self) -> None:
        """The leases lapse, and the slot takes its next turn."""
        self.queue.lapse()
        self.slot.turn()

    def ending(self, job_id) -> str | None:
        """State or error code of the outcome; None while there is none."""
        outcome = self.store.outcome(job_id)
        return outcome and (outcome.error.code if outcome.error else outcome.state)

    def counted(self, job_id) -> int:
        return self.store.attempts(job_id).counted

    def files(self, job_id) -> list[str]:
        """Everything in the folders of attempts."""
        folder = self.store.folder(job_id)
        return sorted(str(path.relative_to(folder)) for path in folder.glob("attempt-*/*"))


def succeed(request, shared, attempt, means, progress):
    """Work that leaves a result."""
    (attempt.folder / "result.json").write_text(DOCUMENT.model_dump_json())


def fail_with(error):
    """Work that writes a file, then raises."""

    def work(request, shared, attempt, means, progress):
        (attempt.folder / "half.png").touch()
        raise error

    return work


def go_on_after(happens):
    """Work in which ``happens()``; from then on it goes on until it is stopped."""

    def work(request, shared, attempt, means, progress):
        (attempt.folder / "half.png").touch()
        happens()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            progress("tiles", 1, 2)
            time.sleep(0.002)
        raise AssertionError("nobody stopped the work")

    return work


def audited(bench) -> list[str]:
    """How jobs ended, as the audit log has it."""
    lines = (bench.settings.data_dir / "audit.jsonl").read_text().splitlines()
    return [entry["detail"].split()[0] for entry in map(json.loads, lines) if entry["action"] == "job.over"]


def only_job(bench) -> str:
    """The id of the only job there is."""
    return bench.store.ids_newest_first()[0]
