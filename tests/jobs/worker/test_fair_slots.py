"""A worker whose slots are all taken by one key's jobs that do not end: others are served beside them."""

import os
import signal
import sys

import pytest

from app.access.keys import KeyStore
from tests.api.answers import check_problem
from tests.api.routes.test_deepzoom import children
from tests.service import Service, until
from tests.tissue import tissue_slide

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are listed in /proc, which Linux has")


@pytest.fixture
def shared(tmp_path):
    """A service with two slots, and headers of a laboratory, of its colleague, and of a clinic."""
    store = KeyStore(tmp_path / "data")
    tenants = {"lab": "lab", "colleague": "lab", "clinic": "clinic"}
    keys = {
        name: {"Authorization": f"Bearer {store.create(name, tenant, ('submit', 'read'))}"}
        for name, tenant in tenants.items()
    }
    service = Service(tmp_path / "data", jobs_per_worker=2, queue_max=16, drain_s=0).start()
    yield service, keys
    service.stop()


def state(service, job_id, headers) -> str:
    return service.http.get(f"/jobs/{job_id}", headers=headers).json()["state"]


def test_others_are_served_while_one_keys_jobs_hang_in_every_slot(shared, tmp_path):
    service, keys = shared
    long, short = tissue_slide(tmp_path / "long.svs", side_px=6272), tissue_slide(tmp_path / "short.svs")
    worker, frozen = service.pid("worker"), set[int]()
    before = children(worker)
    hanging = [service.post(long, keys["lab"], priority="stat").json()["id"] for _ in range(2)]

    def freeze() -> bool:
        for pid in children(worker) - before - frozen:
            os.kill(pid, signal.SIGSTOP)
            frozen.add(pid)
        return len(frozen) == 2

    until(freeze, 60)
    try:
        for name in ("clinic", "colleague", "clinic"):
            job_id = service.post(short, keys[name]).json()["id"]
            until(lambda i=job_id, n=name: state(service, i, keys[n]) == "succeeded", 50)
        assert [state(service, job_id, keys["lab"]) for job_id in hanging] == ["running"] * 2
        accepted = [service.post(short, keys["lab"]) for _ in range(3)]
        assert [answer.status_code for answer in accepted] == [202, 202, 429]  # a quarter of the queue
        check_problem(accepted[-1], 429, "queue_full")
        assert service.post(short, keys["colleague"]).status_code == 202
        assert service.post(short, keys["clinic"]).status_code == 202
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGKILL)
