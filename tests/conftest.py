"""One service for all tests that only talk to it; those that break one start their own."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.jobs.queue.embedded import ensure_embedded
from app.jobs.queue.queue import JobQueue
from app.records.store import JobStore
from app.settings import Settings
from app.system.redis import RedisConnection
from app.wiring import Parts, parts_of
from tests.guarded import guarded, guarded_api, provider
from tests.object_store import ObjectServer
from tests.service import Service
from tests.tissue import blank_slide, tissue_slide

__all__ = ["guarded", "guarded_api", "provider"]


@pytest.fixture(scope="session")
def slide_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of slides that the service may read by path."""
    root = tmp_path_factory.mktemp("slides")
    tissue_slide(root / "tissue.svs")
    tissue_slide(root / "no_mpp.svs", mpp=None)
    blank_slide(root / "blank.svs")
    return root


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, slide_root: Path) -> Iterator[Service]:
    """A running service, shared: tests leave it as they found it."""
    started = Service(
        tmp_path_factory.mktemp("data"), slide_roots=slide_root, upload_max_bytes=80_000_000, upload_idle_s=2
    ).start()
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def tissue(slide_root: Path) -> Path:
    """A small slide with tissue."""
    return slide_root / "tissue.svs"


@pytest.fixture(scope="session")
def object_server() -> Iterator[ObjectServer]:
    """A running object store, shared: tests use keys of their own."""
    started = ObjectServer().start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def nvidia_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for LD_LIBRARY_PATH with a stand-in for the NVIDIA driver's library, built here."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler on this machine to build the driver's stand-in with")
    folder = tmp_path_factory.mktemp("driver")
    folder.chmod(0o755)
    source = Path(__file__).with_name("libcuda_stand_in.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "libcuda.so.1", source], check=True)
    return folder


@pytest.fixture(scope="session")
def queue_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server."""
    server = ensure_embedded(tmp_path_factory.mktemp("queue"))
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def queue_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server of the API's own: no test empties it."""
    server = ensure_embedded(tmp_path_factory.mktemp("api_queue"))
    yield server.url
    server.stop()


@pytest.fixture
def queue(queue_url: str) -> Iterator[JobQueue]:
    """An empty queue with a lease of half a second."""
    redis = RedisConnection(queue_url)
    redis.client.flushall()
    yield JobQueue(redis, lease_s=0.5)
    redis.close()


@pytest.fixture
def store(tmp_path) -> JobStore:
    """An empty store."""
    return JobStore(tmp_path / "jobs")


@pytest.fixture
def make_parts(queue: JobQueue, tmp_path: Path) -> Callable[..., Parts]:
    """Makes the parts of a service on the empty queue, by settings."""

    def make(**settings: object) -> Parts:
        known = {"data_dir": tmp_path, "lease_s": 0.5}
        return parts_of(Settings(**(known | settings)), queue.redis)

    return make


@pytest.fixture
def parts(make_parts: Callable[..., Parts]) -> Parts:
    """The parts of a service with the settings it has by default."""
    return make_parts()
