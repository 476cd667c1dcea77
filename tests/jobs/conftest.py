from collections.abc import Iterator

import pytest

from app.jobs.embedded import ensure_embedded
from app.jobs.queue import JobQueue, connect
from app.jobs.store import JobStore


@pytest.fixture(scope="session")
def queue_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server."""
    server = ensure_embedded(tmp_path_factory.mktemp("queue"))
    yield server.url
    server.stop()


@pytest.fixture
def queue(queue_url: str) -> Iterator[JobQueue]:
    """An empty queue with a lease of half a second."""
    client = connect(queue_url)
    client.flushall()
    yield JobQueue(client, lease_s=0.5)
    client.close()


@pytest.fixture
def store(tmp_path) -> JobStore:
    """An empty store."""
    return JobStore(tmp_path / "jobs")
