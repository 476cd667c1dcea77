"""What a worker says of itself: that its loop goes round, not only that a thread of it lives."""

import threading
import time

import pytest

from app.jobs.presence import live_workers
from app.jobs.worker import TURN_SLACK_S, Worker
from app.settings import Settings
from tests.service import ROOT, until


class StuckWorker(Worker):
    """Its first turn blocks until it is released, as on storage that does not answer."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.released = threading.Event()

    def _turn(self):
        self.released.wait(60)


@pytest.mark.parametrize("is_stuck", [False, True])
def test_a_worker_whose_loop_hangs_falls_silent(queue, store, tmp_path, is_stuck):
    settings = Settings(data_dir=tmp_path, models_dir=ROOT / "models", device="cpu", lease_s=0.5, job_deadline_s=100)
    worker = StuckWorker(settings, store, queue)
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        until(lambda: [w.name for w in live_workers(queue)] == [worker.name], timeout_s=60)
        if is_stuck:
            worker._turned_at = time.monotonic() - settings.job_deadline_s - TURN_SLACK_S
            until(lambda: live_workers(queue) == [], timeout_s=10)
        else:
            time.sleep(4)  # longer than what it said is valid
            assert [w.name for w in live_workers(queue)] == [worker.name]
    finally:
        worker.stop()
        worker.released.set()
        running.join(30)
