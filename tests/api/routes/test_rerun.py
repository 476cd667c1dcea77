"""A job is run again from what is kept: each job has the slide by itself, and no other slide takes its place."""

import json
import shutil
import zipfile

import pytest

from tests.api.answers import check_problem
from tests.object_store import BUCKET, KEYS
from tests.service import Service


def rerun(service, job_id, changes=None, **options):
    return service.http.post(f"/jobs/{job_id}/rerun", **({} if changes is None else {"json": changes}), **options)


def result(service, job_id):
    assert service.wait(job_id)["state"] == "succeeded"
    return service.http.get(f"/jobs/{job_id}/result").json()


def cancelled(service, tissue, **fields):
    """A job that was cancelled before it ran."""
    with service.paused("worker"):
        job_id = service.submit(tissue, **fields)
        assert service.http.post(f"/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    return job_id


def test_a_cancelled_job_is_run_again_as_it_was_asked_for(service, tissue):
    fields = {
        "case_id": "S26-7",
        "slide_id": "S26-7-A1",
        "priority": "stat",
        "organ": "colon",
        "context": "from the LIS",
    }
    first = cancelled(service, tissue, **fields)
    answer = rerun(service, first)
    assert answer.status_code == 202, answer.text
    again = answer.json()
    assert again["id"] != first
    assert answer.headers["location"] == f"/jobs/{again['id']}"
    assert {name: again[name] for name in ("case_id", "slide_id", "priority", "context")} == {
        name: fields[name] for name in ("case_id", "slide_id", "priority", "context")
    }
    found = result(service, again["id"])
    assert found["request"]["organ"] == "colon"
    assert (
        found["slide"]["sha256"]
        == json.loads((service.data_dir / "jobs" / first / "request.json").read_text())["source"]["sha256"]
    )
    assert service.job(first)["state"] == "cancelled"
    lines = (service.data_dir / "audit.jsonl").read_text().splitlines()
    assert [e["detail"] for e in map(json.loads, lines) if e["action"] == "job.rerun" and e["job"] == first] == [
        again["id"]
    ]


@pytest.mark.parametrize("packed", [False, True], ids=["one file", "a zip"])
def test_erasing_the_first_leaves_the_second_its_slide(service, tissue, tmp_path, packed):
    sent = tissue
    if packed:
        sent = tmp_path / "slide.zip"
        with zipfile.ZipFile(sent, "w") as archive:
            archive.write(tissue, "case/slide.svs")
    first = service.submit(sent)
    before = result(service, first)
    second = rerun(service, first).json()["id"]
    assert service.http.delete(f"/jobs/{first}").status_code == 200
    assert result(service, second)["predictions"] == before["predictions"]
    assert service.http.get(f"/jobs/{second}/slide.dzi").status_code == 200
    third = rerun(service, second).json()["id"]
    assert service.http.delete(f"/jobs/{second}").status_code == 200
    assert result(service, third)["slide"] == before["slide"]
    check_problem(rerun(service, first), 410, "job_erased")
    check_problem(rerun(service, "none"), 404, "job_not_found")


def test_what_is_sent_is_different_and_the_rest_stays(service, slide_root):
    first = service.submit(slide_root / "no_mpp.svs", mpp="2.0", case_id="S26-8")
    result(service, first)
    again = rerun(service, first, {"mpp": 1.9, "priority": "asap", "case_id": None}).json()
    assert (again["priority"], again["case_id"]) == ("asap", None)
    assert result(service, again["id"])["slide"]["mpp"] == 1.9


def test_what_is_no_request_is_refused_and_leaves_nothing(api, slide_root):
    first = api.done(slide_root / "no_mpp.svs", mpp="2.0")
    before = api.job_folders()
    for changes, code in (
        ({"mpp": 900}, "mpp_implausible"),
        ({"model": "none"}, "model_not_found"),
        ({"tasks": ["none"]}, "task_not_found"),
        ({"colour": "red"}, "request_invalid"),
        ({"sha256": "0" * 64}, "request_invalid"),
        ({"source": {"type": "path", "path": "/etc/passwd"}}, "request_invalid"),
    ):
        assert rerun(api, first, changes).json()["code"] == code, changes
    check_problem(rerun(api, first, content="mpp=2", headers={"Content-Type": "text/plain"}), 415, "upload_type")
    assert api.job_folders() == before


def test_an_idempotency_key_makes_one_job_of_one_wish(api, tissue):
    key = {"Idempotency-Key": "again-1"}
    first = api.done(tissue)
    other = rerun(api, first, headers=key).json()["id"]
    folders = api.job_folders()
    assert rerun(api, first, headers=key).json()["id"] == other
    check_problem(rerun(api, first, {"priority": "stat"}, headers=key), 422, "idempotency_key_reused")
    api.succeed(other)
    check_problem(rerun(api, other, headers=key), 422, "idempotency_key_reused")
    assert api.job_folders() == folders


def test_a_job_that_is_not_over_is_not_run_again(api, tissue):
    job_id = api.submit(tissue)
    check_problem(rerun(api, job_id), 409, "result_not_ready")
    api.succeed(job_id)


def test_a_slide_that_was_erased_is_gone(api, tissue):
    job_id = api.done(tissue)
    shutil.rmtree(api.data_dir / "jobs" / job_id / "slide")
    before = api.job_folders()
    check_problem(rerun(api, job_id), 410, "slide_gone")
    assert api.job_folders() == before


def test_a_kept_slide_of_another_size_makes_no_job(api, tissue):
    job_id = api.done(tissue)
    (kept,) = (api.data_dir / "jobs" / job_id / "slide").iterdir()
    kept.write_bytes(kept.read_bytes() + b"\0")
    check_problem(rerun(api, job_id), 410, "slide_gone")


def test_a_slide_by_path_is_run_again_only_while_it_is_the_same(api, slide_root, tissue):
    path = slide_root / "rerun.svs"
    shutil.copyfile(tissue, path)
    first = api.http.post("/analyze", json={"source": {"type": "path", "path": str(path)}}).json()["id"]
    api.succeed(first)
    second = rerun(api, first).json()["id"]
    api.succeed(second)
    assert not (api.data_dir / "jobs" / second / "slide").exists()
    with path.open("ab") as file:
        file.write(b"\0")
    before = api.job_folders()
    check_problem(rerun(api, first), 409, "source_changed")
    path.unlink()
    check_problem(rerun(api, first), 422, "slide_missing")
    assert api.job_folders() == before


def test_who_may_not_see_a_job_cannot_run_it_again(guarded_api, tissue):
    service, keys = guarded_api.service, guarded_api.keys
    job_id = service.post(tissue, headers=keys["lab"]).json()["id"]
    service.succeed(job_id)
    for who, status, code in (
        ("other", 404, "job_not_found"),
        ("sender", 404, "job_not_found"),  # of the same tenant, but neither its own job nor a reader
        ("viewer", 403, "forbidden"),
        ("eraser", 403, "forbidden"),
    ):
        check_problem(rerun(service, job_id, headers=keys[who]), status, code)
    answer = rerun(service, job_id, headers=keys["colleague"])
    assert answer.status_code == 202, answer.text
    check_problem(rerun(service, job_id), 401, "unauthenticated")


def test_an_object_is_run_again_only_while_it_is_the_same(tmp_path, object_server, tissue):
    service = Service(tmp_path / "data", object_roots=f"s3://{BUCKET}/again", object_endpoint=object_server.url)
    service.besides = KEYS
    service.start()
    try:
        address = object_server.put("again/slide.svs", tissue.read_bytes())
        first = service.http.post("/analyze", json={"source": {"type": "object", "object": address}}).json()["id"]
        before = result(service, first)
        assert result(service, rerun(service, first).json()["id"])["slide"] == before["slide"]
        object_server.put("again/slide.svs", tissue.read_bytes() + b"\0")
        check_problem(rerun(service, first), 409, "source_changed")
    finally:
        assert service.stop() == 0
