"""Job records for tests."""

from app.records.ids import new_job_id
from app.records.record import JobRequest, Outcome, UploadSource, now
from app.records.store import JobStore


def make_request(priority="routine", **fields) -> JobRequest:
    """A request that was not committed."""
    source = UploadSource(entry="slide.svs", size_bytes=3, sha256="0" * 64)
    known = {
        "id": new_job_id(),
        "created_at": now(),
        "source": source,
        "model": "m",
        "tasks": ("t",),
        "named_tasks": (),
    }
    return JobRequest(**(known | {"priority": priority} | fields))


def committed(store: JobStore, priority="routine", **fields) -> JobRequest:
    """A request with its folder and slide, on disk."""
    request = make_request(priority, **fields)
    (store.root / request.id / "slide").mkdir(parents=True)
    (store.root / request.id / "slide" / "slide.svs").write_bytes(b"abc")
    store.commit(request)
    return request


def outcome(state="succeeded", **fields) -> Outcome:
    """An outcome."""
    return Outcome(**({"state": state, "attempt": 1, "finished_at": now()} | fields))
