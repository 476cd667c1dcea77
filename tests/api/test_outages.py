"""Redis is away, the audit log cannot be written, or the process fails between record and queue: no job is lost."""

import errno
import signal

import pytest

from app.access.keys import KeyStore
from app.errors import QueueUnavailableError
from app.jobs.queue.embedded import ensure_embedded
from tests.api.answers import check_problem
from tests.in_process import InProcess
from tests.service import until


@pytest.fixture
def queue(tmp_path):
    started = ensure_embedded(tmp_path / "queue")
    yield started
    started.stop()


@pytest.fixture
def api(tmp_path, queue, slide_root):
    with InProcess(tmp_path / "data", queue.url, slide_roots=(slide_root,)) as started:
        yield started


def queued(api) -> int:
    return sum(api.services.queue.depth().values())


def test_without_redis_jobs_are_taken_followed_cancelled_read_and_erased(api, queue, tissue):
    waiting, done, old = api.submit(tissue), api.done(tissue), api.done(tissue)
    queue.stop()
    accepted = api.post(tissue)
    assert (accepted.status_code, accepted.json()["state"], accepted.json()["progress"]) == (202, "queued", None)
    by_path = api.http.post("/analyze", json={"source": {"type": "path", "path": str(tissue)}})
    assert by_path.status_code == api.http.post(f"/jobs/{done}/rerun").status_code == 202
    assert api.job(waiting)["state"] == "queued"
    assert api.http.post(f"/jobs/{waiting}/cancel").json()["state"] == "cancelled"
    for name in ("result", "heatmap.png", "layers", "report.html", "slide.dzi", "events", "view"):
        assert api.http.get(f"/jobs/{done}/{name}").status_code == 200, name
    assert {waiting, done, old} < {job["id"] for job in api.http.get("/jobs").json()["jobs"]}
    assert api.http.delete(f"/jobs/{old}").status_code == 200
    check_problem(api.http.get(f"/jobs/{old}"), 410, "job_erased")


def test_without_redis_health_and_metrics_say_so(api, queue):
    queue.stop()
    assert api.http.get("/v2/health/live").status_code == 200
    ready = api.http.get("/v2/health/ready")
    assert (ready.status_code, ready.json()["queue"], ready.json()["ready"]) == (503, False, False)
    assert any("Redis" in reason for reason in ready.json()["reasons"])
    assert "xmag_queue_up 0.0" in api.http.get("/metrics").text


def test_without_redis_a_key_opens_the_service_and_a_session_is_told_why_not(tmp_path, queue):
    token = KeyStore(tmp_path / "data").create("lab", "lab", ("read",))
    with InProcess(tmp_path / "data", queue.url) as api, api.client() as late:
        assert api.http.post("/session", json={"key": token}).status_code == 204
        queue.stop()
        check_problem(api.http.get("/jobs"), 503, "queue_unavailable")
        check_problem(late.post("/session", json={"key": token}), 503, "queue_unavailable")
        assert late.get("/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_job_taken_while_redis_hangs_is_queued_when_it_answers_again(api, queue, tissue):
    queue.process.send_signal(signal.SIGSTOP)
    try:
        job_id = api.submit(tissue)
    finally:
        queue.process.send_signal(signal.SIGCONT)
    until(lambda: answers(api))  # after a failure nobody asks for half a second
    api.reconcile()
    assert api.job(job_id)["state"] == "queued" and queued(api) == 1


def answers(api) -> bool:
    try:
        api.services.queue.redis.ping()
    except QueueUnavailableError:
        return False
    return True


def test_a_process_that_fails_between_record_and_queue_loses_no_job(api, tissue, monkeypatch):
    with monkeypatch.context() as crash:
        crash.setattr(api.services.queue, "enqueue", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            api.post(tissue, {"Idempotency-Key": "crash"})
    (job_id,) = api.job_folders()
    assert queued(api) == 0
    api.reconcile()
    assert queued(api) == 1
    assert api.post(tissue, {"Idempotency-Key": "crash"}).json()["id"] == job_id  # who sends it again gets that job
    assert queued(api) == 1


def test_what_cannot_be_written_down_is_not_done(api, tissue, monkeypatch):
    waiting, done = api.submit(tissue), api.done(tissue)
    before = api.job_folders()

    def unwritable(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("app.access.audit.append_line", unwritable)
    source = {"source": {"type": "path", "path": str(tissue)}}
    for method, address, sent in (
        ("POST", "/analyze", {"files": {"slide": ("s.svs", tissue.read_bytes())}}),
        ("POST", "/analyze", {"json": source}),
        ("POST", f"/jobs/{done}/rerun", {}),
        ("POST", f"/jobs/{waiting}/cancel", {}),
        ("DELETE", f"/jobs/{waiting}", {}),
        ("DELETE", f"/jobs/{done}", {}),
        ("GET", f"/jobs/{done}/result", {}),
        ("GET", f"/jobs/{done}/results.zip", {}),
        ("GET", f"/jobs/{done}/slide_files/8/0_0.jpg", {}),
    ):
        with pytest.raises(OSError, match="Read-only"):
            api.http.request(method, address, **sent)
    assert api.job_folders() == before
    assert (api.job(waiting)["state"], api.job(done)["state"]) == ("queued", "succeeded")
    assert queued(api) == 1
    monkeypatch.undo()
    assert api.http.get(f"/jobs/{done}/result").status_code == 200
