"""The containers by test: `make test-compose`. Not part of `make unit`: it builds images and takes minutes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.stack import ROOT, Stack
from tests.realdata.conftest import slides_dir  # noqa: F401 - a fixture

collect_ignore_glob = [] if os.environ.get("XMAG_TEST_COMPOSE") == "1" else ["test_*.py"]


def _missing() -> str | None:
    if shutil.which("docker") is None:
        return "there is no docker command on this machine"
    needs = {
        ("docker", "info"): "no container engine answers",
        ("docker", "compose", "version"): "docker has no compose",
    }
    for command, what in needs.items():
        if subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0:
            return what
    return None


@pytest.fixture(scope="session")
def engine() -> None:
    """A container engine with compose, or a skip that says what is missing."""
    missing = _missing()
    if missing is not None and os.environ.get("REQUIRE") == "1":
        pytest.fail(f"REQUIRE=1, but {missing}")
    if missing is not None:
        pytest.skip(f"{missing}: install Docker Engine with the compose plugin")


@pytest.fixture(scope="session")
def archive(slides_dir: Path) -> Path:  # noqa: F811 - the fixture imported above
    """Real slides, which the containers see as /slides."""
    return slides_dir


@pytest.fixture(scope="session")
def stack(engine: None, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The CPU profile, built and up; one worker thread, so that a job can be met while it runs."""
    folder = tmp_path_factory.mktemp("compose")
    found = Stack(
        f"xmag-test-{os.getpid()}",
        folder,
        XMAG_SLIDES=str(archive),
        XMAG_THREADS=1,
        XMAG_UPLOAD_MAX_BYTES=64_000_000,
        XMAG_DRAIN_S=1,
    )
    try:
        environment = {**os.environ, "XMAG_VERSION": "test", "XMAG_BUILD_NETWORK": "host"}
        subprocess.run([ROOT / "docker" / "build.sh", "cpu"], env=environment, check=True)
        print(f"up --wait: {found.up():.1f} s")
        yield found
    finally:
        found.compose("down", "-v", "--remove-orphans", "-t", "5", check=False)
