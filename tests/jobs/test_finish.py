"""How a job ends: the first outcome counts, and what cannot be counted or audited now loses nothing."""

import json
import threading

from app.access.audit import Actor
from app.errors import DiskLowError
from app.jobs.finish import Finisher
from app.jobs.queue.counters import read_tally
from app.jobs.queue.queue import JobQueue
from app.jobs.status import job_status
from app.jobs.upkeep.reconcile import audit_outcomes
from app.records.record import JobError
from app.system.redis import RedisConnection
from tests.jobs.requests import committed, outcome

FAILED = outcome(
    "failed", error=JobError(code="slide_corrupt", message="It is damaged.", origin="user", retryable=False)
)


def audited(parts) -> list[tuple[str, str]]:
    path = parts.settings.data_dir / "audit.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(entry["action"], entry["detail"].split()[0] if entry["detail"] else "") for entry in entries]


def test_the_first_outcome_is_written_counted_and_audited_and_the_second_never_was(parts):
    job_id = committed(parts.store).id
    assert parts.finisher.finish(job_id, FAILED) is True
    assert parts.finisher.finish(job_id, outcome()) is False
    assert parts.store.outcome(job_id) == FAILED
    assert read_tally(parts.redis).outcomes == {("failed", "slide_corrupt"): 1}
    assert audited(parts) == [("job.over", "failed")]


def test_without_redis_the_outcome_is_written_and_audited_all_the_same(parts, tmp_path):
    job_id = committed(parts.store).id
    away = JobQueue(RedisConnection(f"unix://{tmp_path}/none.sock"), 1)
    assert Finisher(parts.store, away, parts.audit).finish(job_id, outcome()) is True
    assert parts.store.outcome(job_id).state == "succeeded"
    assert audited(parts) == [("job.over", "succeeded")]


def test_what_cannot_be_audited_now_is_audited_by_the_upkeep(parts, monkeypatch):
    job_id = committed(parts.store).id

    def fails(*_, **__):
        raise DiskLowError("full")

    with monkeypatch.context() as broken:
        broken.setattr(parts.audit, "append", fails)
        assert parts.finisher.finish(job_id, outcome()) is True
    assert audited(parts) == []
    assert audit_outcomes(parts.store, parts.finisher, set()) == 1
    assert audited(parts) == [("job.over", "succeeded")]


def test_a_waiting_job_that_is_cancelled_leaves_the_queue(parts):
    request = committed(parts.store)
    parts.queue.enqueue(request.id, "routine")
    parts.finisher.cancel(job_status(parts.store, parts.queue, request.id), Actor("key:lab"))
    assert parts.store.outcome(request.id).state == "cancelled"
    assert parts.queue.depth()["routine"] == 0
    assert audited(parts) == [("job.cancel", ""), ("job.over", "cancelled")]


def test_a_result_that_came_first_is_not_cancelled(parts):
    request = committed(parts.store)
    before = job_status(parts.store, parts.queue, request.id)
    parts.finisher.finish(request.id, outcome())
    parts.finisher.cancel(before, Actor("key:lab"))
    assert parts.store.outcome(request.id).state == "succeeded"
    assert read_tally(parts.redis).outcomes == {("succeeded", ""): 1}


def test_two_at_once_write_one_entry_for_one_end(parts, monkeypatch):
    """A worker wrote the entry; before it marks that, the API is asked to erase the job."""
    job_id, mark = committed(parts.store).id, parts.store.note_audited
    other = threading.Thread(target=parts.finisher.audit, args=(job_id,))

    def mark_late(marked_id: str) -> None:
        if other.ident is None:
            other.start()
            other.join(0.3)  # the time it gets to write a second entry
        mark(marked_id)

    monkeypatch.setattr(parts.store, "note_audited", mark_late)
    assert parts.finisher.finish(job_id, outcome())
    other.join()
    assert audited(parts) == [("job.over", "succeeded")]
