"""One Idempotency-Key makes one job."""

import threading

from tests.api.answers import check_problem


def test_the_same_idempotency_key_gives_the_same_job(api, tissue, slide_root):
    headers = {"Idempotency-Key": "key-1"}
    first = api.post(tissue, headers, case_id="A").json()["id"]
    assert api.post(tissue, headers, case_id="A").json()["id"] == first
    check_problem(api.post(tissue, headers, case_id="B"), 422, "idempotency_key_reused")
    assert api.post(tissue, {"Idempotency-Key": "key-2"}, case_id="A").json()["id"] != first
    api.succeed(first)
    assert api.post(tissue, headers, case_id="A").json()["state"] == "succeeded"
    assert api.http.delete(f"/jobs/{first}").status_code == 200
    assert api.post(tissue, headers, case_id="A").json()["id"] != first


def test_a_wrong_idempotency_key_is_refused_before_the_upload(api, tissue):
    check_problem(api.post(tissue, {"Idempotency-Key": "k" * 256}), 422, "request_invalid")


def test_one_key_sent_from_many_places_at_once_makes_one_job(api, tissue):
    answers = []

    def send() -> None:
        answers.append(api.post(tissue, {"Idempotency-Key": "burst"}).json()["id"])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert len(set(answers)) == 1
    listed = api.http.get("/jobs", params={"limit": 200}).json()["jobs"]
    assert [job["id"] for job in listed].count(answers[0]) == 1
