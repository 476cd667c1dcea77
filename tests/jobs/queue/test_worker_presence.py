"""What a worker says of itself: that its loop goes round, not only that a thread of it lives."""

import json
import threading
import time

import pytest

from app.jobs.queue.presence import live_workers
from app.jobs.queue.queue import PREFIX
from app.jobs.worker.slot import TURN_SLACK_S
from app.run.worker_process import new_worker
from tests.service import ROOT, until


@pytest.mark.parametrize("is_stuck", [False, True])
def test_a_worker_of_which_one_slot_hangs_falls_silent(make_parts, queue, monkeypatch, is_stuck):
    released, in_turn = threading.Event(), []

    def hang(*_, **__) -> bool:  # as on storage that does not answer
        in_turn.append(True)
        return released.wait(60)

    monkeypatch.setattr("app.jobs.worker.slot.has_room", hang)
    parts = make_parts(models_dir=ROOT / "models", device="cpu", job_deadline_s=100)
    worker = new_worker(parts)
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        until(lambda: [w.name for w in live_workers(queue.redis)] == [worker.name], timeout_s=60)
        until(lambda: len(in_turn) == len(worker._slots))  # a slot says when its turn began as it begins
        if is_stuck:
            worker._slots[1]._turned_at = time.monotonic() - parts.settings.job_deadline_s - TURN_SLACK_S
            until(lambda: live_workers(queue.redis) == [], timeout_s=10)
        else:
            time.sleep(4)  # longer than what it said is valid
            assert [w.name for w in live_workers(queue.redis)] == [worker.name]
    finally:
        worker.stop()
        released.set()
        running.join(30)


def test_workers_of_another_version_are_seen_too(queue):
    known = {"name": "w1", "model": "m", "model_version": "1", "precision": "int8", "provider": "CPU"}
    older = {name: value for name, value in known.items() if name != "precision"} | {"name": "w2"}
    for said in (known | {"gpu": "H200"}, older):
        queue.redis.client.set(f"{PREFIX}worker:{said['name']}", json.dumps(said), px=10_000)
    assert sorted((w.name, w.precision) for w in live_workers(queue.redis)) == [("w1", "int8"), ("w2", "")]
