"""`xmag health`: what a container engine asks every few seconds."""

import os
import subprocess
import sys
from socket import gethostname

import pytest

from app.errors import SetupError
from app.health import check_api, check_workers
from app.jobs.embedded import ensure_embedded
from app.jobs.presence import WorkerPresence, announce, withdraw
from app.jobs.queue import JobQueue, connect
from tests.service import ROOT


@pytest.fixture(scope="module")
def queue_url(tmp_path_factory):
    server = ensure_embedded(tmp_path_factory.mktemp("queue"))
    yield server.url
    server.stop()


def warm(queue: JobQueue, name: str) -> None:
    announce(queue, WorkerPresence(name, "model", "1", "fp32", "CPUExecutionProvider"), ttl_s=30)


def test_only_warm_workers_of_this_host_count(queue_url):
    client = connect(queue_url)
    queue = JobQueue(client, lease_s=6)
    warm(queue, "elsewhere-1-abc")
    with pytest.raises(SetupError, match="0 of 1"):
        check_workers(queue_url, 1)
    warm(queue, f"{gethostname()}-7-abc")
    assert check_workers(queue_url, 1) == f"{gethostname()}-7-abc"
    with pytest.raises(SetupError, match="1 of 2"):
        check_workers(queue_url, 2)
    withdraw(queue, f"{gethostname()}-7-abc")
    with pytest.raises(SetupError, match="0 of 1"):
        check_workers(queue_url, 1)
    client.close()


def test_a_queue_that_is_away_is_not_healthy(tmp_path):
    with pytest.raises(SetupError, match="Redis does not answer"):
        check_workers(f"unix://{tmp_path}/nothing.sock", 1)


def test_a_running_api_is_healthy(service):
    assert check_api(int(service.url.rsplit(":", 1)[1])).startswith("api ")


def test_the_command_fails_where_nothing_runs():
    environment = {**os.environ, "XMAG_PORT": "1"}
    command = [sys.executable, "-m", "app.cli", "health", "api"]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 2
    assert "does not answer on port 1" in found.stderr
