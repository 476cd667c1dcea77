"""What a worker says of itself: that its loop goes round, not only that a thread of it lives."""

import json
import threading
import time

import pytest

from app.jobs.queue.presence import live_workers
from app.jobs.queue.queue import PREFIX
from app.jobs.worker.slot import TURN_SLACK_S, Slot
from app.jobs.worker.worker import Worker
from app.settings import Settings
from tests.service import ROOT, until


@pytest.mark.parametrize("is_stuck", [False, True])
def test_a_worker_of_which_one_slot_hangs_falls_silent(queue, store, tmp_path, monkeypatch, is_stuck):
    released, in_turn = threading.Event(), []

    def hang(slot: Slot) -> None:  # as on storage that does not answer
        in_turn.append(slot)
        released.wait(60)

    monkeypatch.setattr(Slot, "_turn", hang)
    settings = Settings(data_dir=tmp_path, models_dir=ROOT / "models", device="cpu", lease_s=0.5, job_deadline_s=100)
    worker = Worker(settings, store, queue)
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        until(lambda: [w.name for w in live_workers(queue)] == [worker.name], timeout_s=60)
        until(lambda: len(in_turn) == len(worker._slots))  # a slot says when its turn began as it begins
        if is_stuck:
            worker._slots[1]._turned_at = time.monotonic() - settings.job_deadline_s - TURN_SLACK_S
            until(lambda: live_workers(queue) == [], timeout_s=10)
        else:
            time.sleep(4)  # longer than what it said is valid
            assert [w.name for w in live_workers(queue)] == [worker.name]
    finally:
        worker.stop()
        released.set()
        running.join(30)


def test_workers_of_another_version_are_seen_too(queue):
    known = {"name": "w1", "model": "m", "model_version": "1", "precision": "int8", "provider": "CPU"}
    older = {name: value for name, value in known.items() if name != "precision"} | {"name": "w2"}
    for said in (known | {"gpu": "H200"}, older):
        queue.client.set(f"{PREFIX}worker:{said['name']}", json.dumps(said), px=10_000)
    assert sorted((w.name, w.precision) for w in live_workers(queue)) == [("w1", "int8"), ("w2", "")]
