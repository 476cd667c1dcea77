"""The API in this process, shared by the tests that need no worker and leave it as they found it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.in_process import InProcess


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory, queue_server: str, slide_root: Path) -> Iterator[InProcess]:
    """A service without keys and without a worker."""
    data = tmp_path_factory.mktemp("in_process")
    with InProcess(data, queue_server, slide_roots=(slide_root,), upload_max_bytes=80_000_000) as started:
        yield started
