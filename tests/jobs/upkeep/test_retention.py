"""What is erased when, and what is never: by value on a real disk, and once by the running service."""

import json
import time
from datetime import timedelta

import pytest

from app.access.audit import AuditLog
from app.jobs.intake.source import source_state
from app.jobs.upkeep import retention
from app.jobs.upkeep.reconcile import audit_outcomes
from app.jobs.upkeep.retention import Retention
from app.records.record import PathSource, now
from app.records.store import JobStore
from app.system import clock
from tests.jobs.requests import committed, make_request, outcome
from tests.service import Service, until
from tests.tissue import tissue_slide


@pytest.fixture
def audit(tmp_path) -> AuditLog:
    return AuditLog(tmp_path)


@pytest.fixture
def keeping(make_parts):
    def make(**days) -> Retention:
        parts = make_parts(**days)
        return Retention(parts.settings, parts.store, parts.uploads, parts.eraser)

    return make


def ended(store: JobStore, days_ago: float, **fields) -> str:
    """A job that ended then, with a file among its results."""
    request = committed(store, **fields)
    attempt = store.begin_attempt(request.id, "w")
    (attempt.folder / "result.json").write_text("{}")
    store.finish(request.id, outcome(folder=attempt.folder.name, finished_at=now() - timedelta(days=days_ago)))
    return request.id


def actions(tmp_path) -> list[tuple[str, str]]:
    entries = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    return [(entry["action"], entry["job"]) for entry in entries]


def test_uploads_go_first_and_jobs_later(tmp_path, store, keeping, audit):
    old, middle, young = ended(store, 31), ended(store, 8), ended(store, 1)
    waiting = committed(store).id
    keep = keeping(slides_keep_days=7, results_keep_days=30)
    assert keep.run() == 2
    assert not store.exists(old) and store.tombstone(old)
    assert store.exists(middle) and not store.has_upload(middle)
    assert (store.folder(middle) / "attempt-1" / "result.json").exists()
    assert store.has_upload(young) and store.has_upload(waiting)
    assert keep.run() == 0
    assert set(actions(tmp_path)) == {
        ("job.over", old),
        ("job.erase", old),
        ("job.over", middle),
        ("slide.erase", middle),
    }
    assert audit.verify().problems == ()


def test_what_cannot_be_removed_is_tried_again_after_an_hour(tmp_path, store, keeping, monkeypatch):
    job_id = ended(store, 8)
    keep = keeping(slides_keep_days=7)
    with monkeypatch.context() as patched:
        patched.setattr("app.records.store.shutil.rmtree", lambda *_, **__: None)  # as it ends where a disk refuses
        assert [keep.run(), keep.run()] == [0, 0]
    assert store.has_upload(job_id)
    assert keep.run() == 0
    later = retention.since_boot_s() + 3700
    monkeypatch.setattr(retention, "since_boot_s", lambda: later)
    monkeypatch.setattr(keep._clock, "is_steady", lambda: True)
    assert keep.run() == 1
    assert not store.has_upload(job_id)
    assert [action for action, _ in actions(tmp_path)] == ["job.over", "slide.erase", "slide.erase"]


def test_nothing_is_erased_unless_asked(store, keeping):
    job_id = ended(store, 10_000)
    assert keeping().run() == 0
    assert store.has_upload(job_id)


def test_a_slide_given_by_path_is_never_touched(tmp_path, store, keeping):
    slide = tmp_path / "archive" / "a.svs"
    slide.parent.mkdir()
    slide.write_bytes(b"the hospital's own")
    before = slide.stat()
    source = PathSource(path=str(slide), files=(slide.name,), **source_state([slide])._asdict())
    first, second = ended(store, 8, source=source), ended(store, 31, source=source)
    for job_id in (first, second):
        (store.folder(job_id) / "slide" / "slide.svs").unlink()
        (store.folder(job_id) / "slide").rmdir()
    keeping(slides_keep_days=7, results_keep_days=30).run()
    assert store.exists(first) and not store.exists(second)
    after = slide.stat()
    assert (after.st_mtime_ns, after.st_ino, slide.read_bytes()) == (
        before.st_mtime_ns,
        before.st_ino,
        b"the hospital's own",
    )


def test_a_damaged_record_is_erased_in_its_time_all_the_same(store, keeping):
    request = committed(store)
    (store.folder(request.id) / "outcome.json").write_text("{")
    assert keeping(results_keep_days=1).run() == 0
    assert keeping(results_keep_days=1e-9).run() == 1
    assert not store.exists(request.id)


def test_a_clock_that_jumps_erases_nothing_for_a_day(store, keeping, monkeypatch):
    job_id, keep = ended(store, 1), keeping(results_keep_days=30)
    true_time, since_boot = time.time, clock.since_boot_s
    assert keep.run() == 0
    monkeypatch.setattr(time, "time", lambda: true_time() + 400 * 86_400)
    assert keep.run() == 0
    monkeypatch.setattr(clock, "since_boot_s", lambda: since_boot() + 3600)
    monkeypatch.setattr(time, "time", lambda: true_time() + 3600)  # put right within the hour
    assert keep.run() == 0
    monkeypatch.setattr(clock, "since_boot_s", lambda: since_boot() + 90_000)
    monkeypatch.setattr(time, "time", lambda: true_time() + 90_000)
    assert keep.run() == 0
    assert store.has_upload(job_id)
    for days in range(2, 41):  # in which it looks as often as it may be off
        monkeypatch.setattr(clock, "since_boot_s", lambda days=days: since_boot() + days * 86_400)
        monkeypatch.setattr(time, "time", lambda days=days: true_time() + days * 86_400)
        erased = keep.run()
    assert erased == 0 and not store.exists(job_id)  # it went on the thirtieth day: those that passed meanwhile count


def test_an_outcome_missing_in_the_log_is_written_once(tmp_path, parts):
    store, finisher = parts.store, parts.finisher
    job_id = ended(store, 0)
    assert audit_outcomes(store, finisher, set()) == 1
    assert audit_outcomes(store, finisher, set()) == 0
    assert actions(tmp_path) == [("job.over", job_id)]


def test_a_job_seen_while_it_came_in_or_ran_is_written_down_in_the_end(tmp_path, parts):
    store, finisher = parts.store, parts.finisher
    request, audited = make_request(), set()
    (store.root / request.id / "slide").mkdir(parents=True)
    assert audit_outcomes(store, finisher, audited) == 0
    store.commit(request)
    assert audit_outcomes(store, finisher, audited) == 0
    store.finish(request.id, outcome())
    assert audit_outcomes(store, finisher, audited) == 1
    assert audit_outcomes(store, finisher, audited) == 0
    assert audited == {request.id}
    assert actions(tmp_path) == [("job.over", request.id)]


def test_the_service_erases_by_itself_and_says_so(tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()
    slide = tissue_slide(archive / "Doe^John S26-1.svs")
    before = (slide.read_bytes(), slide.stat().st_mtime_ns)
    service = Service(tmp_path / "data", results_keep_days=1e-5, slide_roots=archive).start()
    try:
        ids = [
            service.submit(slide),
            service.http.post("/analyze", json={"source": {"type": "path", "path": str(slide)}}).json()["id"],
        ]
        until(lambda: {service.http.get(f"/jobs/{job_id}").status_code for job_id in ids} == {410}, 60)
    finally:
        assert service.stop() == 0
    assert (slide.read_bytes(), slide.stat().st_mtime_ns) == before
    for job_id in ids:
        assert [path.name for path in (tmp_path / "data" / "jobs" / job_id).iterdir()] == ["tombstone.json"]
        found = [action for action, job in actions(tmp_path / "data") if job == job_id]
        assert found == ["job.submit", "job.over", "job.erase"]
