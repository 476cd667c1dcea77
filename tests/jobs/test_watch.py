"""What those hear who follow all jobs, where jobs are erased."""

from app.jobs.watch import JobWatch
from tests.jobs.requests import committed, outcome


def told(watch: JobWatch) -> list[tuple[str, str, bool]]:
    return [(change.job_id, change.holder.tenant, change.status is None) for change in watch.look()]


def test_a_job_that_ends_and_is_erased_between_two_looks_is_told_once(store, queue):
    request = committed(store, tenant="T")
    watch = JobWatch(store, queue)
    assert told(watch) == [(request.id, "T", False)]
    store.finish(request.id, outcome())
    store.erase(request.id)
    assert told(watch) == [(request.id, "T", True)]
    assert told(watch) == []


def test_what_was_erased_before_is_no_news(store, queue):
    request = committed(store, tenant="T")
    store.finish(request.id, outcome())
    store.erase(request.id)
    assert told(JobWatch(store, queue)) == []
