import errno
import os
import time

import pytest

from app.access.audit import AuditLog
from app.errors import RecordUnreadableError
from app.jobs.finish import Finisher
from app.jobs.intake.upload_folder import UploadFolder
from app.jobs.upkeep.reconcile import FORGET_S, audit_outcomes, clear_leftovers, requeue_open_jobs
from app.jobs.upkeep.retention import Retention
from app.records.store import JobStore
from tests.jobs.requests import committed, outcome


def test_what_the_streams_lack_is_queued_from_disk_once(store, queue):
    waiting, over = committed(store, "urgent"), committed(store)
    store.finish(over.id, outcome())
    assert requeue_open_jobs(store, queue) == 1
    assert requeue_open_jobs(store, queue) == 0
    assert queue.depth()["urgent"] == 1
    queue.redis.client.flushall()
    assert requeue_open_jobs(store, queue) == 1
    assert queue.take("w", 0).job_id == waiting.id


def test_an_upload_on_its_way_is_left_alone_and_a_dead_one_cleared(store):
    alive, dead = UploadFolder(store), UploadFolder(store)
    dead._lock.close()  # what the end of its process does
    assert clear_leftovers(store, set()) == 1
    assert alive.folder.exists()
    assert not dead.folder.exists()
    alive.close()
    assert not alive.folder.exists()


def test_a_folder_that_never_got_its_lock_is_cleared_once_it_is_old(store):
    request = committed(store)
    bare = store.root / request.id
    (bare / "request.json").unlink()
    assert clear_leftovers(store, set()) == 0
    os.utime(bare, (time.time() - 6000,) * 2)
    assert clear_leftovers(store, set()) == 1


def test_a_half_erased_job_is_erased(store):
    request = committed(store)
    (store.root / request.id / "tombstone.json").write_text('{"erased_at": "2026-01-01T00:00:00Z"}')
    assert clear_leftovers(store, set()) == 1
    assert [path.name for path in (store.root / request.id).iterdir()] == ["tombstone.json"]


def test_an_erasure_that_another_process_left_half_done_is_finished_within_the_hour(parts, queue):
    store, reconciler = parts.store, parts.reconciler
    request = committed(store)
    reconciler.turn()
    (store.root / request.id / "tombstone.json").write_text('{"erased_at": "2026-01-01T00:00:00Z"}')
    queue.redis.client.flushall()
    reconciler.turn()
    assert store.has_upload(request.id)
    reconciler._forgot_at -= FORGET_S + 1
    queue.redis.client.flushall()
    reconciler.turn()
    assert not store.has_upload(request.id)


def test_a_record_of_another_version_stops_nothing(store, queue):
    odd, good = committed(store), committed(store)
    path = store.root / odd.id / "request.json"
    path.write_text(path.read_text().replace('"model"', '"models"'))
    fresh = JobStore(store.root)
    assert requeue_open_jobs(fresh, queue) == 2
    with pytest.raises(RecordUnreadableError):
        fresh.request(odd.id)
    assert fresh.request(good.id) == good


def test_accepted_jobs_are_never_cleared(store):
    request = committed(store)
    os.utime(store.root / request.id, (time.time() - 9999,) * 2)
    assert clear_leftovers(store, set()) == 0
    assert store.exists(request.id)


def failing_for(job_id, method):
    """``method`` of a store, on a disk that fails for one job."""

    def call(self, which, *rest):
        if which == job_id:
            raise OSError(errno.EIO, "Input/output error")
        return method(self, which, *rest)

    return call


def test_one_folder_that_cannot_be_read_or_written_keeps_no_other_waiting(store, queue, tmp_path, monkeypatch):
    sick, well = committed(store), committed(store)
    monkeypatch.setattr(JobStore, "request", failing_for(sick.id, JobStore.request))
    assert requeue_open_jobs(store, queue) == 1
    monkeypatch.undo()
    store.finish(sick.id, outcome())
    store.finish(well.id, outcome())
    monkeypatch.setattr(JobStore, "note_audited", failing_for(sick.id, JobStore.note_audited))
    finisher, audited = Finisher(store, queue, AuditLog(tmp_path)), set()
    assert [audit_outcomes(store, finisher, audited) for _ in range(3)] == [2, 0, 0]
    said = (tmp_path / "audit.jsonl").read_text()
    assert [said.count(sick.id), said.count(well.id)] == [1, 1]


def test_what_fails_in_one_step_keeps_no_other_from_its_turn(parts, monkeypatch):
    ran = []
    monkeypatch.setattr(Retention, "run", lambda _: ran.append("retention"))

    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("app.jobs.upkeep.reconcile.audit_outcomes", fails)
    parts.reconciler.turn()
    assert ran == ["retention"]
