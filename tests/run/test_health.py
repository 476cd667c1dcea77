"""What a container engine asks every few seconds: right answers, from a worker that lives, hangs or died."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from app.errors import SetupError
from app.jobs.queue.embedded import ensure_embedded
from app.run.health import PORT, check_api, check_workers
from app.settings import Settings
from app.system.heartbeat import Heartbeat
from tests.service import ROOT, until


def ask(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", "-m", "app.run.health", *arguments]
    return subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60, check=False
    )


def is_warm(folder) -> bool:
    return ask("worker", XMAG_HEARTBEAT_DIR=str(folder)).returncode == 0


def test_only_workers_that_said_so_lately_count(tmp_path):
    with pytest.raises(SetupError, match="0 of 1"):
        check_workers(tmp_path / "nobody", 1)
    loading, warm, gone = (Heartbeat(tmp_path, name) for name in ("loading", "warm", "gone"))
    warm.beat(60)
    gone.beat(60)
    assert check_workers(tmp_path, 2) == "gone, warm"
    gone.end()
    assert check_workers(tmp_path, 1) == "warm"
    with pytest.raises(SetupError, match="1 of 2"):
        check_workers(tmp_path, 2)
    warm.beat(-1)
    with pytest.raises(SetupError, match="0 of 1"):
        check_workers(tmp_path, 1)
    for heartbeat in (loading, warm):
        heartbeat.end()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_is_healthy_while_its_loop_turns_and_its_queue_answers(tmp_path):
    folder = tmp_path / "heartbeat"
    server = ensure_embedded(tmp_path)
    settings = {
        "XMAG_DATA_DIR": str(tmp_path),
        "XMAG_MODELS_DIR": str(ROOT / "models"),
        "XMAG_REDIS_URL": server.url,
        "XMAG_HEARTBEAT_DIR": str(folder),
        "XMAG_LEASE_S": "1",
    }
    worker = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], cwd=ROOT, env={**os.environ, **settings})
    try:
        until(lambda: is_warm(folder), timeout_s=60)
        worker.send_signal(signal.SIGSTOP)
        until(lambda: not is_warm(folder))
        worker.send_signal(signal.SIGCONT)
        until(lambda: is_warm(folder))
        server.stop()
        until(lambda: not is_warm(folder), timeout_s=15)
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        server.stop()
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="XMAG_HEARTBEAT_DIR"):
        Heartbeat(tmp_path / "file" / "folder", "worker")


def test_a_running_api_is_healthy(service):
    port = service.url.rsplit(":", 1)[1]
    found = ask("api", XMAG_PORT=port)
    assert (found.returncode, found.stdout) == (0, f"The API answers on port {port}.\n"), found.stderr


def test_an_api_that_answers_otherwise_is_not():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(1000)
                line.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(SetupError, match="503 Service Unavailable"):
            check_api(server.getsockname()[1])
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["api"], "does not answer on port 1"),
        (["worker"], "XMAG_HEARTBEAT_DIR is not set"),
        (["worker", "-1"], "Say `python"),
        ([], "Say `python"),
    ],
)
def test_whatever_is_not_well_has_exit_code_1_and_says_why(arguments, told):
    found = ask(*arguments, XMAG_PORT="1", XMAG_HEARTBEAT_DIR="")
    assert (found.returncode, found.stdout) == (1, "")
    assert told in found.stderr


def test_asking_loads_nothing_that_is_not_pythons_own():
    code = "import sys; before = set(sys.modules); import app.run.health; print(*set(sys.modules) - before)"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in found.stdout.split()}
    assert "app" in loaded
    assert loaded - {"app"} <= sys.stdlib_module_names


def test_the_port_without_a_setting_is_the_settings():
    assert Settings.model_fields["port"].default == PORT
