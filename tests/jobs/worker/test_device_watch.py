"""A worker whose device hangs or fails ends itself, and no job is the worse for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.jobs.worker.device_watch import LOOKS, DeviceWatch
from app.jobs.worker.lease_keeper import EXIT_STUCK
from app.run.supervisor import EXIT_SETUP
from tests.jobs.requests import committed
from tests.service import ROOT, until
from tests.tissue import tissue_slide


@pytest.fixture
def start(parts, queue_url):
    """Starts a worker with a device that can fall ill; waits until it is ready."""
    started = []

    def run() -> tuple[subprocess.Popen, Path]:
        folder = parts.settings.data_dir / f"sick-{len(started)}"
        folder.mkdir()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("XMAG_")},
            "XMAG_DATA_DIR": str(parts.settings.data_dir),
            "XMAG_MODELS_DIR": str(ROOT / "models"),
            "XMAG_REDIS_URL": queue_url,
            "XMAG_LEASE_S": "1",
        }
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "tests.jobs.worker.sick_device", str(folder)]
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log))
        until(lambda: "worker.ready" in (folder / "log").read_text(), 60)
        return started[-1], folder

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def submit(parts):
    """Queues a job with a real slide; its id."""

    def run() -> str:
        request = committed(parts.store, model="xmag-lite0", tasks=("malignancy",))
        tissue_slide(parts.store.slide_path(request))
        parts.queue.enqueue(request.id, "routine")
        return request.id

    return run


def test_a_device_that_hangs_ends_the_process_and_the_job_is_done_by_the_next(start, submit, parts):
    process, folder = start()
    (folder / "hangs").touch()
    job = submit()
    assert process.wait(60) == EXIT_STUCK
    assert "device.stuck" in (folder / "log").read_text()
    assert parts.store.attempts(job).counted == 0
    start()
    until(lambda: parts.store.outcome(job) is not None, 60)
    assert (parts.store.outcome(job).state, parts.store.outcome(job).attempt) == ("succeeded", 2)


def test_a_device_that_fails_hands_the_job_back_and_the_process_ends_without_cleaning_up(start, submit, parts):
    process, folder = start()
    (folder / "fails").touch()
    job = submit()
    assert process.wait(60) == EXIT_SETUP
    assert (parts.store.outcome(job), parts.store.attempts(job).counted) == (None, 0)
    assert "CUDA failure 700" in (folder / "log").read_text().splitlines()[-1]  # the last words were written


@pytest.mark.parametrize(("trouble", "code"), [("hangs", EXIT_STUCK), ("fails", EXIT_SETUP)])
def test_an_idle_device_that_falls_ill_is_noticed_without_a_job(start, trouble, code):
    process, folder = start()
    (folder / trouble).touch()
    assert process.wait(60) == code


def test_a_process_that_was_paused_itself_finds_no_device_hanging(bench, monkeypatch):
    codes: list[int] = []
    monkeypatch.setattr("app.jobs.worker.device_watch.os._exit", codes.append)
    watch, answers = DeviceWatch(bench.shared), iter([*[True] * (LOOKS - 1), False, *[True] * LOOKS])
    monkeypatch.setattr(bench.shared.device, "is_stuck", lambda: next(answers))
    for _ in range(2 * LOOKS - 1):
        watch.look()
        assert codes == []
    watch.look()
    assert codes == [EXIT_STUCK]
