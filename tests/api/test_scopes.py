"""What each scope opens, and that it opens nothing else."""

import json
import re

import pytest

from app.access.audit import Actor
from app.api.auth import Caller
from app.main import create_app
from app.records.record import Holder
from app.settings import Settings
from tests.api.answers import check_problem
from tests.tissue import tissue_slide

UNKNOWN = "01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11"
OPENS = {
    "submit": {
        ("post", "/analyze"),
        ("get", "/jobs/{job_id}"),
        ("get", "/jobs/{job_id}/events"),
        ("post", "/jobs/{job_id}/cancel"),
        ("post", "/jobs/{job_id}/rerun"),
        ("post", "/uploads/"),
        ("head", "/uploads/{upload_id}"),
        ("patch", "/uploads/{upload_id}"),
        ("post", "/uploads/{upload_id}"),
        ("delete", "/uploads/{upload_id}"),
    },
    "erase": {("delete", "/jobs/{job_id}")},
}
CHANGES = {"post", "patch", "delete"}
OPEN = ("/session", "/v2/health/", "/jobs/{job_id}/view")


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("reference"))).openapi()


def operations(document):
    """(method, path, the scopes of which one opens it); those that need no key are left out."""
    for path, found in document["paths"].items():
        for method, operation in found.items():
            if path.startswith(OPEN) or method == "options":
                assert "security" not in operation, (method, path)
            else:
                yield method, path, set(operation["security"][0]["HTTPBearer"])


def test_each_operation_opens_for_its_scopes_alone_and_the_reference_names_them(document, guarded_api):
    service, count = guarded_api.service, 0
    for method, path, named in operations(document):
        may = {scope for scope in OPENS if (method, path) in OPENS[scope]}
        if method == "get":
            may |= {"read"}
        assert named == may, (method, path)
        address = re.sub(r"\{job_id\}|\{upload_id\}", UNKNOWN, path).replace("{level}/{column}_{row}", "1/0_0")
        for scope, key in (("submit", "sender"), ("read", "viewer"), ("erase", "eraser")):
            headers = {**guarded_api.keys[key], "Tus-Resumable": "1.0.0"}
            if path == "/events" and scope in may:
                continue  # a stream without an end
            answer = service.http.request(method, re.sub(r"\{\w+\}", "1", address), headers=headers)
            assert (answer.status_code == 403) == (scope not in may), (method, path, scope, answer.text)
            if scope not in may and method != "head":
                check_problem(answer, 403, "forbidden")
                assert all(needed in answer.json()["detail"] for needed in may)
            count += 1
    assert count > 80
    assert all(method in CHANGES | {"get", "head"} for method, _ in OPENS["submit"])


def test_a_sender_follows_and_cancels_its_own_jobs_and_is_shown_no_result(guarded_api, tmp_path):
    service, sender = guarded_api.service, guarded_api.keys["sender"]
    accepted = service.post(tissue_slide(tmp_path / "s.svs"), sender, case_id="S26-1").json()
    job_id = accepted["id"]
    service.succeed(job_id)
    job = service.http.get(f"/jobs/{job_id}", headers=sender).json()
    events = [line for line in service.http.get(f"/jobs/{job_id}/events", headers=sender).text.splitlines() if line]
    told = [json.loads(line.removeprefix("data:")) for line in events if line.startswith("data:")]
    assert told == [job]
    cancelled = service.http.post(f"/jobs/{job_id}/cancel", headers=sender)
    assert (cancelled.status_code, cancelled.json()) == (200, job)
    for seen in (accepted, job):
        assert seen["links"] == {"self": f"/jobs/{job_id}", "events": f"/jobs/{job_id}/events"}
    assert job["case_id"] == "S26-1"
    for path in ("/jobs", "/events", *(f"/jobs/{job_id}/{name}" for name in ("result", "slide.dzi", "report.pdf"))):
        check_problem(service.http.get(path, headers=sender), 403, "forbidden")
    check_problem(service.http.delete(f"/jobs/{job_id}", headers=sender), 403, "forbidden")
    assert service.http.get(f"/jobs/{job_id}/result", headers=guarded_api.keys["viewer"]).status_code == 200
    assert "result" in service.http.get(f"/jobs/{job_id}", headers=guarded_api.keys["viewer"]).json()["links"]


def test_a_sender_cancels_what_waits(guarded_api, tmp_path):
    service, sender = guarded_api.service, guarded_api.keys["sender"]
    slide = tissue_slide(tmp_path / "s.svs")
    job_id = service.post(slide, sender).json()["id"]
    assert service.http.post(f"/jobs/{job_id}/cancel", headers=sender).json()["state"] == "cancelled"
    assert service.http.get(f"/jobs/{job_id}", headers=sender).json()["error"]["code"] == "cancelled"


def test_another_keys_job_exists_for_those_alone_who_may_read(guarded_api, tmp_path):
    service, keys, slide = guarded_api.service, guarded_api.keys, tissue_slide(tmp_path / "s.svs")
    theirs = service.post(slide, keys["colleague"]).json()["id"]
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
        answer = service.http.request(method, f"/jobs/{theirs}{path}", headers=keys["sender"])
        check_problem(answer, 404, "job_not_found")
    check_problem(service.http.post(f"/jobs/{theirs}/cancel", headers=keys["viewer"]), 403, "forbidden")
    mine = service.post(slide, keys["sender"]).json()["id"]
    cancelled = service.http.post(f"/jobs/{mine}/cancel", headers=keys["colleague"])
    assert cancelled.json()["state"] == "cancelled"  # submit and read together
    assert service.http.post(f"/jobs/{theirs}/cancel", headers=keys["colleague"]).status_code == 200


def test_a_job_that_an_admin_runs_again_stays_its_tenants(guarded_api, tmp_path):
    service, keys, slide = guarded_api.service, guarded_api.keys, tissue_slide(tmp_path / "s.svs")
    colleague_of_admin = {"Authorization": f"Bearer {guarded_api.store.create('it reader', 'it', ('read',))}"}
    first = service.post(slide, keys["lab"], case_id="S26-9").json()["id"]
    assert service.http.post(f"/jobs/{first}/cancel", headers=keys["lab"]).status_code == 200
    again = service.http.post(f"/jobs/{first}/rerun", headers=keys["admin"]).json()["id"]
    check_problem(service.http.get(f"/jobs/{again}", headers=colleague_of_admin), 404, "job_not_found")
    check_problem(service.http.get(f"/jobs/{again}", headers=keys["other"]), 404, "job_not_found")
    for reader in ("lab", "admin"):
        assert service.http.get(f"/jobs/{again}", headers=keys[reader]).json()["case_id"] == "S26-9"
    assert service.http.delete(f"/jobs/{again}", headers=keys["lab"]).json()["state"] == "cancelled"


def test_erasing_opens_no_job_and_only_its_sender_is_told_that_it_was(guarded_api, tmp_path):
    service, keys = guarded_api.service, guarded_api.keys
    job_id = service.post(tissue_slide(tmp_path / "s.svs"), keys["sender"], case_id="S26-2").json()["id"]
    answers = [service.http.delete(f"/jobs/{job_id}", headers=keys["eraser"]) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b""), (204, b"")]
    check_problem(service.http.get(f"/jobs/{job_id}", headers=keys["sender"]), 410, "job_erased")
    second = guarded_api.store.create("second sender", "lab", ("submit",))
    for headers in ({"Authorization": f"Bearer {second}"}, keys["other"]):
        check_problem(service.http.get(f"/jobs/{job_id}", headers=headers), 404, "job_not_found")
    check_problem(service.http.get(f"/jobs/{job_id}", headers=keys["eraser"]), 403, "forbidden")


def test_a_key_that_replaces_another_goes_on_with_its_jobs(guarded_api, tmp_path):
    service, store = guarded_api.service, guarded_api.store
    old = {"Authorization": f"Bearer {store.create('lis', 'lab', ('submit',))}"}
    job_id = service.post(tissue_slide(tmp_path / "s.svs"), old).json()["id"]
    new = {"Authorization": f"Bearer {store.replace('lis', 'lis-2')}"}
    assert service.http.get(f"/jobs/{job_id}", headers=old).status_code == 200
    store.revoke("lis")
    assert service.http.get(f"/jobs/{job_id}", headers=new).status_code == 200
    check_problem(service.http.get(f"/jobs/{job_id}", headers=old), 401, "unauthenticated")
    again = {"Authorization": f"Bearer {store.create('lis', 'lab', ('submit',))}"}  # the name makes it no heir
    check_problem(service.http.get(f"/jobs/{job_id}", headers=again), 404, "job_not_found")


def test_a_tokens_jobs_are_its_subjects_whatever_token_is_shown(guarded_api, tmp_path):
    service, provider = guarded_api.service, guarded_api.provider

    def token(sub, ward="ward-3"):
        made = provider.token(sub=sub, scope="xmag:submit", ward={"name": ward})
        return {"Authorization": f"Bearer {made}"}

    job_id = service.post(tissue_slide(tmp_path / "s.svs"), token("pacs")).json()["id"]
    record = (service.data_dir / "jobs" / job_id / "request.json").read_text()
    assert "pacs" not in record
    assert service.http.get(f"/jobs/{job_id}", headers=token("pacs")).status_code == 200
    for other in (token("other"), token("pacs", "ward-4")):
        check_problem(service.http.get(f"/jobs/{job_id}", headers=other), 404, "job_not_found")


def test_an_idempotency_key_is_the_senders_own(guarded_api, tmp_path):
    service, keys, slide = guarded_api.service, guarded_api.keys, tissue_slide(tmp_path / "s.svs")
    same = {"Idempotency-Key": "message-1"}
    first = [service.post(slide, {**keys["sender"], **same}).json()["id"] for _ in range(2)]
    assert first[0] == first[1]
    assert service.post(slide, {**keys["colleague"], **same}).json()["id"] != first[0]


def test_following_needs_the_scope_as_well_as_the_job():
    mine, other = Holder("lab", "key:1"), Holder("lab", "key:2")

    def caller(*scopes):
        return Caller("key:1", "lab", scopes, Actor("key:x"))

    assert [caller(*scopes).follows(mine) for scopes in ((), ("erase",), ("submit",), ("read",), ("admin",))] == [
        False, False, True, True, True
    ]  # fmt: skip
    assert [caller(*scopes).follows(other) for scopes in (("submit",), ("read",))] == [False, True]
    elsewhere = Holder("clinic", "key:1")
    assert [caller(scope).follows(elsewhere) for scope in ("submit", "read", "admin")] == [False, False, True]
    assert [caller(scope).erases(other) for scope in ("submit", "read", "erase", "admin")] == [
        False, False, True, True
    ]  # fmt: skip
