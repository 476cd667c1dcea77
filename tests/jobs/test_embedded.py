import os
import signal

import pytest

from app.errors import SetupError
from app.jobs.embedded import ensure_embedded, socket_path
from app.jobs.queue import connect
from tests.service import until


def test_the_second_attaches_and_only_the_first_ends_it(tmp_path):
    first = ensure_embedded(tmp_path)
    second = ensure_embedded(tmp_path)
    assert second.url == first.url
    assert second.process is None
    second.stop()
    client = connect(first.url)
    assert client.ping()
    assert client.config_get("appendonly")["appendonly"] == "yes"
    assert client.config_get("appendfsync")["appendfsync"] == "always"
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    client.close()
    first.stop()
    assert not first.is_running()


def test_what_was_written_survives_a_kill(tmp_path):
    server = ensure_embedded(tmp_path)
    client = connect(server.url)
    client.set("kept", "yes")
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    client.close()
    again = ensure_embedded(tmp_path)
    client = connect(again.url)
    assert client.get("kept") == "yes"
    client.close()
    again.stop()
    until(lambda: not again.is_running())


def test_the_socket_is_short_and_private(tmp_path):
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    path = socket_path(deep)
    assert len(str(path)) < 107
    server = ensure_embedded(deep)
    assert path.parent.stat().st_mode & 0o077 == 0
    server.stop()
    path.parent.chmod(0o755)
    with pytest.raises(SetupError):
        ensure_embedded(deep)
    path.parent.chmod(0o700)
