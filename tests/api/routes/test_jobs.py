import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import h5py
import httpx
import numpy as np
import pytest

from app.api.routes.jobs import EVENT_TURN_S
from app.records.store import JobStore
from tests.api.answers import check_problem
from tests.jobs.requests import committed, outcome
from tests.tissue import tissue_slide


@pytest.fixture(scope="module")
def long_slide(tmp_path_factory):
    """About 100 tiles: seconds of work, so that there is something to cancel."""
    return tissue_slide(tmp_path_factory.mktemp("long") / "long.svs", side_px=3136)


def test_jobs_are_listed_newest_first_page_by_page(api, tissue):
    ids = [api.done(tissue, case_id="page", slide_id=str(n)) for n in range(3)]
    page = api.http.get("/jobs", params={"case_id": "page", "limit": 2}).json()
    assert [job["id"] for job in page["jobs"]] == ids[:0:-1]
    rest = api.http.get("/jobs", params={"case_id": "page", "limit": 2, "cursor": page["next_cursor"]}).json()
    assert [job["id"] for job in rest["jobs"]] == ids[:1]
    assert rest["next_cursor"] is None
    one = api.http.get("/jobs", params={"slide_id": "1", "case_id": "page", "state": "succeeded"}).json()["jobs"]
    assert [job["id"] for job in one] == [ids[1]]
    assert api.http.get("/jobs", params={"case_id": "page", "state": "failed"}).json()["jobs"] == []


def test_a_cursor_tells_nothing_of_others_and_serves_nobody_else(guarded_api, tmp_path):
    service, keys, slide = guarded_api.service, guarded_api.keys, tissue_slide(tmp_path / "s.svs")

    def page(key, **query):
        return service.http.get("/jobs", params=query, headers=keys[key])

    mine = [service.post(slide, keys["other"], case_id="cursors").json()["id"] for _ in range(3)]
    service.post(slide, keys["lab"], case_id="cursors")
    found, cursors, cursor = [], [], {}
    while True:
        answer = page("other", case_id="cursors", limit=1, **cursor).json()
        found += [job["id"] for job in answer["jobs"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
        cursors.append(answer["next_cursor"])
    assert found == mine[::-1]
    ids = [path.name for path in (service.data_dir / "jobs").iterdir()]
    for text in cursors:
        inside = base64.urlsafe_b64decode(text).hex() + text
        assert not any(job_id in text or job_id.replace("-", "") in inside for job_id in ids)
    first = cursors[0]
    assert page("other", limit=1).json()["next_cursor"] != page("other", limit=1).json()["next_cursor"]
    for key, text in [("lab", first), ("admin", first), ("other", first[:-9] + "AAAAAAAA="), ("other", mine[0]),
                      ("other", "é" * 40), ("other", ""), ("other", "A" * 3000)]:  # fmt: skip
        check_problem(page(key, cursor=text), 422, "request_invalid")
    check_problem(page("other", cursor=page("admin", limit=1).json()["next_cursor"]), 422, "request_invalid")


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "state=odd", "cursor=../x", "colour=red"])
def test_wrong_queries_are_refused(api, query):
    check_problem(api.http.get(f"/jobs?{query}"), 422, "request_invalid")


@pytest.mark.parametrize("job_id", ["nope", "..%2f..%2fetc", "01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11"])
def test_unknown_jobs(api, job_id):
    for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/result", f"/jobs/{job_id}/heatmap.png", f"/jobs/{job_id}/events"):
        answer = api.http.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    assert api.http.delete(f"/jobs/{job_id}").status_code == 404


def read_events(service, job_id):
    events = []
    with service.http.stream("GET", f"/jobs/{job_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data:"):
                events.append(json.loads(line.removeprefix("data:")))
    return events


def test_events_tell_the_way_and_end_with_the_job(service, tmp_path):
    def stutter():  # so that the work takes several turns of the stream, however fast the machine
        for _ in range(4):
            with service.paused("worker"):
                time.sleep(1.2 * EVENT_TURN_S)
            time.sleep(0.1)

    job_id = service.submit(tissue_slide(tmp_path / "longer.svs", side_px=4704))
    with ThreadPoolExecutor(1) as beside:
        beside.submit(stutter)
        events = read_events(service, job_id)
    assert events[-1]["state"] == "succeeded"
    assert "result" in events[-1]["links"]
    running = [event["progress"]["fraction"] for event in events if event["state"] == "running" and event["progress"]]
    assert len(running) >= 2
    assert running == sorted(running)
    assert all(0 <= fraction <= 1 for fraction in running)
    assert read_events(service, job_id) == events[-1:]


def test_a_running_job_is_cancelled_within_two_seconds(service, long_slide):
    job_id = service.submit(long_slide)
    service.wait(job_id, "running")
    asked = time.monotonic()
    answer = service.http.delete(f"/jobs/{job_id}")
    assert answer.json()["state"] == "cancelled"
    check_problem(service.http.get(f"/jobs/{job_id}/result"), 409, "result_not_ready")
    service.wait_for_line(rf"job.stopping.*{job_id}", timeout_s=5)
    assert time.monotonic() - asked < 2


def test_a_waiting_job_is_cancelled_and_never_runs(service, long_slide, tissue):
    running = _all_slots_busy(service, long_slide)
    waiting = service.submit(tissue)
    assert service.http.delete(f"/jobs/{waiting}").json()["state"] == "cancelled"
    assert [service.wait(job_id)["state"] for job_id in running] == ["succeeded"] * 2
    assert service.wait(service.submit(tissue))["state"] == "succeeded"
    assert not (service.data_dir / "jobs" / waiting / "attempts").exists()


def test_an_urgent_job_overtakes(service, long_slide, tissue):
    _all_slots_busy(service, long_slide)
    routine = [service.submit(tissue) for _ in range(2)]
    stat = service.submit(tissue, priority="stat")
    finished = {job_id: service.wait(job_id)["finished_at"] for job_id in (stat, *routine)}
    assert finished[stat] < min(finished[job_id] for job_id in routine)


def test_of_two_in_hand_one_is_cancelled_and_the_other_has_the_result_it_has_alone(service, long_slide):
    cancelled, kept = _all_slots_busy(service, long_slide)
    assert service.http.delete(f"/jobs/{cancelled}").json()["state"] == "cancelled"
    over = service.wait(kept)
    assert (over["state"], over["attempt"]) == ("succeeded", 1)
    alone = service.submit(long_slide)
    assert service.wait(alone)["state"] == "succeeded"
    found = [_features(service, job_id) for job_id in (kept, alone)]
    assert len(found[0]) > 40
    np.testing.assert_array_equal(*found)


def _features(service, job_id) -> np.ndarray:
    with h5py.File(BytesIO(service.http.get(f"/jobs/{job_id}/embeddings.h5").content)) as file:
        return file["features"][:]


def _all_slots_busy(service, slide) -> list[str]:
    """A worker takes two jobs at a time."""
    ids = [service.submit(slide) for _ in range(2)]
    for job_id in ids:
        service.wait(job_id, "running")
    return ids


def test_a_finished_job_is_erased_and_leaves_a_tombstone_only(api, tissue):
    job_id = api.done(tissue)
    assert api.http.delete(f"/jobs/{job_id}").status_code == 200
    check_problem(api.http.get(f"/jobs/{job_id}"), 410, "job_erased")
    check_problem(api.http.get(f"/jobs/{job_id}/result"), 410, "job_erased")
    check_problem(api.http.delete(f"/jobs/{job_id}"), 410, "job_erased")
    left = list((api.data_dir / "jobs" / job_id).iterdir())
    assert [path.name for path in left] == ["tombstone.json"]
    assert json.loads(left[0].read_text()).keys() == {"erased_at", "tenant", "owner"}
    assert job_id not in {job["id"] for job in api.http.get("/jobs", params={"limit": 200}).json()["jobs"]}


def test_files_know_their_task_and_layer(api, tissue):
    job_id = api.done(tissue)
    plain = api.http.get(f"/jobs/{job_id}/heatmap.png")
    assert api.http.get(f"/jobs/{job_id}/heatmap.png?task=malignancy").content == plain.content
    check_problem(api.http.get(f"/jobs/{job_id}/heatmap.png?task=grading"), 422, "task_not_found")
    check_problem(api.http.get(f"/jobs/{job_id}/heatmap.png?layer=under"), 422, "request_invalid")
    both = [api.http.get(f"/jobs/{job_id}/attention.geojson?origin={o}").json() for o in ("bounds", "image")]
    assert both[0]["origin_px"] == both[1]["origin_px"] == [0, 0]


def test_uploads_and_polls_go_on_side_by_side(service, tissue):
    with httpx.Client(base_url=service.url, timeout=30) as other:
        job_id = service.submit(tissue)
        codes = {other.get(f"/jobs/{job_id}").status_code for _ in range(50)}
    assert codes == {200}
    service.wait(job_id)


def test_a_result_comes_whole_or_in_part(api, tissue):
    job_id = api.done(tissue)
    path = f"/jobs/{job_id}/attention.geojson"
    whole = api.http.get(path).content
    part = api.http.get(path, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, whole[5:10])
    assert api.http.get(path, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


def test_cancelling_never_erases_however_often_it_is_sent(guarded_api, tmp_path):
    service, keys = guarded_api.service, guarded_api.keys
    slide = tissue_slide(tmp_path / "s.svs")
    done = service.post(slide, keys["lab"]).json()["id"]
    service.succeed(done)
    waiting = service.post(slide, keys["lab"]).json()["id"]
    for _ in range(2):
        answer = service.http.post(f"/jobs/{waiting}/cancel", headers=keys["lab"])
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    answer = service.http.post(f"/jobs/{done}/cancel", headers=keys["lab"])
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert service.http.get(f"/jobs/{done}/result", headers=keys["lab"]).status_code == 200
    check_problem(service.http.post(f"/jobs/{done}/cancel", headers=keys["other"]), 404, "job_not_found")
    check_problem(service.http.post(f"/jobs/{done}/cancel", headers=keys["viewer"]), 403, "forbidden")


def test_a_result_that_may_yet_come_is_told_from_one_that_never_will(api, tissue):
    job_id = api.submit(tissue)
    pending = api.http.get(f"/jobs/{job_id}/result")
    check_problem(pending, 409, "result_not_ready")
    assert pending.json()["retryable"] is True and int(pending.headers["retry-after"]) > 0
    api.http.post(f"/jobs/{job_id}/cancel")
    never = api.http.get(f"/jobs/{job_id}/result")
    check_problem(never, 409, "result_not_ready")
    assert never.json()["retryable"] is False and never.json()["cause"] == "cancelled"


def test_a_job_tells_its_results_warnings_by_code(service, tissue):
    job = service.wait(service.submit(tissue, stain="PAS"))
    warnings = service.http.get(job["links"]["result"]).json()["warnings"]
    assert job["warnings"] == sorted({warning.split(":")[0] for warning in warnings})
    assert "stain_out_of_domain" in job["warnings"]


def test_a_job_tells_whether_its_heads_are_validated(service, tissue):
    job_id = service.submit(tissue)
    job = service.wait(job_id)
    result = service.http.get(job["links"]["result"]).json()
    assert job["validated"] is all(head["validated"] for head in result["predictions"]) is False
    assert result["research_use_only"] is True
    listed = {one["id"]: one for one in service.http.get("/jobs?limit=200").json()["jobs"]}
    assert listed[job_id]["validated"] is False
    assert {one["validated"] for one in listed.values() if one["state"] != "succeeded"} <= {None}


def test_a_filter_is_read_as_the_field_was(api, tissue):
    job_id = api.submit(tissue, case_id="  S 1  ")
    assert api.job(job_id)["case_id"] == "S 1"
    for sought in ("S 1", "  S 1  "):
        assert [job["id"] for job in api.http.get("/jobs", params={"case_id": sought}).json()["jobs"]] == [job_id]


@pytest.mark.parametrize("record", ["request.json", "outcome.json"])
def test_a_job_with_a_damaged_record_is_its_owners_to_erase_or_an_admins(guarded_api, record):
    service, keys = guarded_api.service, guarded_api.keys
    store = JobStore(service.data_dir / "jobs")  # the service has not seen this one, and keeps nothing of it in memory
    request = committed(store, tenant="lab")
    store.finish(request.id, outcome("failed"))
    (store.root / request.id / record).write_text('{"id"')
    assert service.http.get("/jobs", headers=keys["admin"]).json()["unreadable"] == [request.id]
    assert service.http.get("/jobs", headers=keys["lab"]).json()["unreadable"] == []
    is_known = record == "outcome.json"  # whose it is
    check_problem(service.http.delete(f"/jobs/{request.id}", headers=keys["other"]), 500, "record_unreadable")
    owner = service.http.delete(f"/jobs/{request.id}", headers=keys["lab"])
    assert owner.status_code == (204 if is_known else 500)
    if not is_known:
        assert service.http.delete(f"/jobs/{request.id}", headers=keys["admin"]).status_code == 204
    check_problem(service.http.get(f"/jobs/{request.id}", headers=keys["admin"]), 410, "job_erased")
    assert not store.has_upload(request.id)


def test_a_record_of_a_newer_version_is_read(api):
    store = JobStore(api.data_dir / "jobs")  # the service has not read this one yet, and keeps nothing of it in memory
    request = committed(store)
    path = store.root / request.id / "request.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"department": "pathology"}))
    store.finish(request.id, outcome())
    assert api.job(request.id)["state"] == "succeeded"
