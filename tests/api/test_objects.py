"""Slides in an object store, by the real service: taken, refused, changed, held, killed, and never kept."""

import hashlib
import os
import signal
import time

import pytest

from tests.api.answers import check_problem
from tests.client.test_submit import finished, rows_of, start
from tests.object_store import BUCKET, KEYS, Line
from tests.service import Service, until
from tests.tissue import tissue_slide

LIMIT = 2_000_000


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    return tissue_slide(tmp_path_factory.mktemp("slide") / "slide.svs", side_px=700, seed=5).read_bytes()


@pytest.fixture(scope="module")
def line(object_server):
    line = Line(object_server.port)
    yield line
    line.stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory, line):
    """A service whose way to the store can be held."""
    service = Service(
        tmp_path_factory.mktemp("data"),
        object_roots=f"s3://{BUCKET}/lab, s3://elsewhere",
        object_endpoint=line.url,
        object_patience_s=20,
        upload_max_bytes=LIMIT,
        lease_s=1,
    )
    service.besides = KEYS
    yield service.start()
    assert service.stop() == 0


@pytest.fixture(autouse=True)
def _nothing_stays(request):
    """Whatever a test did: no copy outlives its attempt, and no secret stands anywhere."""
    yield
    if "served" not in request.fixturenames:
        return
    served = request.getfixturevalue("served")
    until(lambda: copies(served) == [], 5)
    assert not any(KEYS["AWS_SECRET_ACCESS_KEY"] in entry for entry in served.lines)
    for file in (served.data_dir / "jobs").rglob("*.json"):
        assert KEYS["AWS_SECRET_ACCESS_KEY"].encode() not in file.read_bytes()


def copies(service):
    return [path.name for path in (service.data_dir / "fetched").glob("*-*")]


def ask(service, address, **fields):
    return service.http.post("/analyze", json={"source": {"type": "object", "object": address}, **fields})


def accepted(service, address, **fields):
    answer = ask(service, address, **fields)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def worker_paused(service):
    """For what happens to an object between the request and the analysis."""
    pid = service.pid("worker")
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_an_object_gives_what_the_same_slide_uploaded_gives(served, object_server, slide, tmp_path):
    address = object_server.put("lab/S26 #1 ü%20+?.svs", slide)
    job_id = accepted(served, address, case_id="S26-1")
    over = served.wait(job_id)
    assert (over["state"], over["attempt"], over["error"]) == ("succeeded", 1, None)
    by_object = served.http.get(f"/jobs/{job_id}/result").json()
    (tmp_path / "same.svs").write_bytes(slide)
    uploaded = served.submit(tmp_path / "same.svs", case_id="S26-1")
    served.wait(uploaded)
    by_upload = served.http.get(f"/jobs/{uploaded}/result").json()
    for part in ("slide", "tiling", "predictions", "top_tiles"):
        assert by_object[part] == by_upload[part]
    assert by_object["slide"]["sha256"] == hashlib.sha256(slide).hexdigest()
    record = (served.data_dir / "jobs" / job_id / "request.json").read_text()
    assert hashlib.md5(slide).hexdigest() in record


def test_a_viewer_is_told_that_the_slide_is_not_here_and_the_rest_is(served, object_server, slide):
    job_id = accepted(served, object_server.put("lab/viewed.svs", slide))
    served.wait(job_id)
    check_problem(served.http.get(f"/jobs/{job_id}/slide.dzi"), 410, "slide_gone")
    check_problem(served.http.get(f"/jobs/{job_id}/slide_files/8/0_0.jpg"), 410, "slide_gone")
    for part in ("view", "thumbnail.jpg", "report.html", "report.pdf", "layers", "results.zip"):
        assert served.http.get(f"/jobs/{job_id}/{part}").status_code == 200, part
    assert served.http.delete(f"/jobs/{job_id}").status_code == 200
    assert object_server.client.head_object(Bucket=BUCKET, Key="lab/viewed.svs")["ContentLength"] == len(slide)


@pytest.mark.parametrize(
    "address",
    [
        "s3://slides/private/a.svs",
        "s3://slides/lab-2/a.svs",
        "s3://slides/lab",
        "s3://slides/lab/../private/a.svs",
        "s3://slides/lab//a.svs",
        "s3://private/lab/a.svs",
        "http://169.254.169.254/lab/a.svs",
        "/etc/passwd",
    ],
)
def test_what_lies_outside_is_refused_and_nothing_is_told_of_it(served, object_server, line, address):
    object_server.put("private/a.svs", b"x")
    before = line.came_back
    problem = check_problem(ask(served, address), 403, "object_not_allowed")
    assert line.came_back == before  # not even the store is asked
    assert "a.svs" not in problem["detail"]


def test_what_cannot_be_analysed_is_refused_at_once(served, object_server, line):
    check_problem(ask(served, f"s3://{BUCKET}/lab/none.svs"), 422, "slide_missing")
    check_problem(ask(served, "s3://elsewhere/no-such-bucket.svs"), 422, "slide_missing")
    check_problem(ask(served, object_server.put("lab/empty.svs", b"")), 422, "empty_upload")
    check_problem(ask(served, object_server.put("lab/huge.svs", bytes(LIMIT + 1))), 413, "too_large")
    with object_server.asking_for_keys():
        check_problem(ask(served, f"s3://{BUCKET}/lab/huge.svs"), 403, "object_not_allowed")
    check_problem(served.http.post("/analyze", json={"source": {"type": "object"}}), 422, "request_invalid")
    job_id = accepted(served, object_server.put("lab/text.svs", b"no slide"))
    assert served.wait(job_id)["error"]["code"] == "not_a_slide"


def test_the_same_key_and_object_are_one_job(served, object_server, slide):
    address, headers = object_server.put("lab/twice.svs", slide), {"Idempotency-Key": "twice"}
    body = {"source": {"type": "object", "object": address}}
    first, second = (served.http.post("/analyze", json=body, headers=headers).json() for _ in range(2))
    assert first["id"] == second["id"]
    object_server.put("lab/twice.svs", slide + b"\0")
    check_problem(served.http.post("/analyze", json=body, headers=headers), 422, "idempotency_key_reused")


def test_an_object_that_changes_or_goes_before_it_is_fetched_fails_by_name(served, object_server, slide):
    worker = worker_paused(served)
    try:
        changed = accepted(served, object_server.put("lab/changed.svs", slide))
        gone = accepted(served, object_server.put("lab/gone.svs", slide))
        object_server.put("lab/changed.svs", slide[:-1] + b"x")
        object_server.delete("lab/gone.svs")
    finally:
        os.kill(worker, signal.SIGCONT)
    for job_id, code in ((changed, "source_changed"), (gone, "slide_missing")):
        over = served.wait(job_id)
        assert (over["state"], over["error"]["code"], over["attempt"]) == ("failed", code, 1)
        assert f"lab/{code}" not in over["error"]["message"]


def test_cancelling_stops_fetching_and_leaves_nothing(served, object_server, line, slide):
    worker = served.pid("worker")
    address = object_server.put("lab/cancelled.svs", slide)
    line.hold(after_bytes=200_000)  # the answer to HEAD, and some of the slide
    try:
        job_id = accepted(served, address)
        until(line.is_held.is_set)
        until(lambda: (served.job(job_id)["progress"] or {}).get("stage") == "fetch")
        assert len(copies(served)) == 1
        asked = time.monotonic()
        assert served.http.delete(f"/jobs/{job_id}").json()["state"] == "cancelled"
        until(lambda: copies(served) == [], 5)
        assert time.monotonic() - asked < 2
        assert served.http.delete(f"/jobs/{job_id}").status_code == 200
    finally:
        line.free()
    assert served.wait(accepted(served, address))["state"] == "succeeded"
    assert served.pid("worker") == worker


def test_a_worker_killed_while_it_fetches_is_replaced_and_its_copy_cleared(served, object_server, line, slide):
    address = object_server.put("lab/killed.svs", slide)
    line.hold(after_bytes=200_000)
    try:
        job_id = accepted(served, address)
        until(line.is_held.is_set)
        os.kill(served.pid("worker"), signal.SIGKILL)
        assert copies(served) == [f"{job_id}-1"]
    finally:
        line.free()
    over = served.wait(job_id)
    assert (over["state"], over["attempt"]) == ("succeeded", 2)


def test_a_store_that_is_away_for_a_while_costs_an_attempt_and_no_job(tmp_path, object_server, slide):
    line = Line(object_server.port)
    port = line.server_address[1]
    settings = {"object_roots": f"s3://{BUCKET}", "object_endpoint": line.url, "object_patience_s": 1, "lease_s": 1}
    service = Service(tmp_path / "data", **settings)
    service.besides = KEYS
    service.start()
    try:
        address = object_server.put("away.svs", slide)
        worker = worker_paused(service)
        job_id = accepted(service, address)
        line.stop()
        os.kill(worker, signal.SIGCONT)
        check_problem(ask(service, address), 503, "storage_unavailable")
        service.wait_for_line("attempt.failed.*storage_unavailable|storage_unavailable.*attempt.failed")
        line = Line(object_server.port, at=port)
        over = service.wait(job_id)
        assert (over["state"], over["attempt"]) == ("succeeded", 2)
        assert not any("away.svs" in said for said in service.lines)
    finally:
        assert service.stop() == 0
        line.stop()


def test_a_batch_may_name_objects(served, object_server, slide, tmp_path):
    (tmp_path / "sent.svs").write_bytes(slide)
    addresses = [object_server.put("lab/batch.svs", slide), "s3://private/a.svs", f"s3://{BUCKET}/lab/none.svs"]
    command = (*addresses, tmp_path / "sent.svs", "--server", served.url, "--wait", "--csv", tmp_path / "out.csv")
    code, _, _ = finished(start(tmp_path, *command))
    assert code == 1
    rows = rows_of(tmp_path / "out.csv")
    assert [(row["file"], row["state"], row["code"]) for row in rows] == [
        (addresses[0], "succeeded", ""),
        (addresses[1], "refused", "object_not_allowed"),
        (addresses[2], "refused", "slide_missing"),
        (str(tmp_path / "sent.svs"), "succeeded", ""),
    ]
    assert finished(start(tmp_path, *command))[0] == 1
    assert [row["job"] for row in rows_of(tmp_path / "out.csv")] == [row["job"] for row in rows]
