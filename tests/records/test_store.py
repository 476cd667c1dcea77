import threading

import pytest

from app.errors import InternalError, JobErasedError, JobNotFoundError
from app.records.ids import is_job_id, new_job_id
from app.records.store import JobStore
from tests.jobs.requests import committed, make_request, outcome


def test_ids_sort_by_time_and_are_checked():
    ids = [new_job_id() for _ in range(3)]
    assert all(map(is_job_id, ids))
    assert not any(map(is_job_id, ["", "..", ids[0].upper(), ids[0] + "/x", ids[0].replace("-", "")]))
    assert new_job_id()[:8] >= ids[0][:8]


def test_a_job_is_what_its_request_says(store):
    request = committed(store, case_id="S1", mpp=0.25)
    assert JobStore(store.root).request(request.id) == request
    assert store.outcome(request.id) is None
    assert list(store.open_ids()) == [request.id]
    with pytest.raises(InternalError):
        store.commit(request)


@pytest.mark.parametrize("job_id", ["", "../x", "nope", "01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11"])
def test_unknown_ids(store, job_id):
    with pytest.raises(JobNotFoundError):
        store.request(job_id)


def test_the_first_outcome_counts(store):
    request = committed(store)
    results = []
    states = ["succeeded", "failed", "cancelled"] * 4

    def finish(state):
        results.append((store.finish(request.id, outcome(state)), state))

    threads = [threading.Thread(target=finish, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [state for first, state in results if first]
    assert len(won) == 1
    assert JobStore(store.root).outcome(request.id).state == won[0]
    assert list(store.open_ids()) == []
    left = {path.name for path in (store.root / request.id).iterdir()}
    assert left == {"request.json", "outcome.json", "slide"}


def test_attempts_are_counted_on_disk_less_those_handed_back(store):
    request = committed(store)
    first, second = store.begin_attempt(request.id, "w1"), store.begin_attempt(request.id, "w2")
    assert (first.number, second.number) == (1, 2)
    assert first.folder != second.folder
    store.hand_back(request.id, second.number)
    found = JobStore(store.root).attempts(request.id)
    assert (found.begun, found.counted) == (2, 1)
    assert store.begin_attempt(request.id, "w3").number == 3


def test_a_line_torn_by_a_crash_still_counts(store):
    request = committed(store)
    store.begin_attempt(request.id, "w1")
    with (store.root / request.id / "attempts").open("a") as file:
        file.write('{"attempt": 2, "wor')
    found = store.attempts(request.id)
    assert (found.begun, found.counted) == (2, 2)


def test_erasing_leaves_a_tombstone_and_nothing_else(store):
    request = committed(store)
    store.finish(request.id, outcome())
    store.erase(request.id)
    assert [path.name for path in (store.root / request.id).iterdir()] == ["tombstone.json"]
    with pytest.raises(JobErasedError):
        store.request(request.id)
    assert store.is_over(request.id)
    store.erase(request.id)


def test_an_outcome_that_comes_after_the_erasing_is_not_kept(store):
    request = committed(store)
    store.erase(request.id)
    assert store.finish(request.id, outcome()) is False
    assert [path.name for path in (store.root / request.id).iterdir()] == ["tombstone.json"]


def test_open_jobs_are_found_oldest_first_however_often(store):
    requests = [committed(store) for _ in range(3)]
    store.finish(requests[1].id, outcome())
    for _ in range(2):
        assert list(store.open_ids()) == sorted([requests[0].id, requests[2].id])
    late = committed(store)
    assert late.id in set(store.open_ids())
    assert make_request().id not in set(store.open_ids())
