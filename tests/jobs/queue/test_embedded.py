import os
import signal

import pytest

from app.errors import SetupError
from app.jobs.queue import embedded
from app.jobs.queue.embedded import ensure_embedded, socket_path
from app.system.redis import RedisConnection


def test_the_second_attaches_and_only_the_first_ends_it(tmp_path):
    first = ensure_embedded(tmp_path)
    second = ensure_embedded(tmp_path)
    assert second.url == first.url
    assert second.process is None
    second.stop()
    client = RedisConnection(first.url).client
    assert client.ping()
    assert client.config_get("appendonly")["appendonly"] == "yes"
    assert client.config_get("appendfsync")["appendfsync"] == "always"
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    client.close()
    first.stop()
    assert not first.is_running()


def test_what_was_written_survives_a_kill(tmp_path):
    server = ensure_embedded(tmp_path)
    client = RedisConnection(server.url).client
    client.set("kept", "yes")
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    client.close()
    again = ensure_embedded(tmp_path)
    client = RedisConnection(again.url).client
    assert client.get("kept") == "yes"
    client.close()
    again.stop()


def test_a_stalled_server_is_never_joined_by_a_second(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "START_S", 1.0)
    server = ensure_embedded(tmp_path)
    os.kill(server.process.pid, signal.SIGSTOP)
    with pytest.raises(SetupError, match="does not answer"):
        ensure_embedded(tmp_path)
    os.kill(server.process.pid, signal.SIGCONT)
    assert ensure_embedded(tmp_path).process is None
    assert server.is_running()
    server.stop()


def test_another_environment_finds_the_same_server(tmp_path, monkeypatch):
    server = ensure_embedded(tmp_path / "data")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert ensure_embedded(tmp_path / "data").url == server.url
    server.stop()


def test_a_damaged_file_is_put_aside(tmp_path):
    server = ensure_embedded(tmp_path)
    client = RedisConnection(server.url).client
    for number in range(200):
        client.set(f"key{number}", "x" * 50)
    client.close()
    server.stop()
    (changes,) = (tmp_path / "queue" / "appendonlydir").glob("*.incr.aof")
    content = bytearray(changes.read_bytes())
    content[1000:1400] = b"\xff" * 400
    changes.write_bytes(content)
    again = ensure_embedded(tmp_path)
    assert again.is_running()
    assert list((tmp_path / "queue").glob("appendonlydir.damaged-*"))
    again.stop()


def test_the_socket_is_short_and_private(tmp_path):
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    server = ensure_embedded(deep)
    path = socket_path(deep)
    assert len(str(path)) < 107
    assert path.parent.stat().st_mode & 0o077 == 0
    server.stop()
    assert not path.parent.exists()
    path.parent.mkdir(mode=0o755)  # somebody else's now, for all we know
    again = ensure_embedded(deep)
    assert socket_path(deep) != path
    again.stop()
    path.parent.rmdir()
