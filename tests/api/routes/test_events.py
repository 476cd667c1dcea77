"""All jobs of a tenant as they change, on one line."""

import json
import socket
import threading
from contextlib import ExitStack

import httpx
import pytest

from app.api.services import EVENT_STREAMS
from tests.service import until
from tests.tissue import tissue_slide


class Listener:
    """Follows `/events` in a thread: ``heard`` is what came, as (event, data)."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.heard: list[tuple[str, dict]] = []
        self.status, self.over = 0, False
        self._client = httpx.Client(base_url=url, timeout=60, headers=headers)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        until(lambda: self.status or self.over)

    def _follow(self) -> None:
        name = ""
        try:
            with self._client.stream("GET", "/events") as stream:
                self.status = stream.status_code
                for line in stream.iter_lines():
                    if line.startswith("event:"):
                        name = line.removeprefix("event:").strip()
                    if line.startswith("data:"):
                        self.heard.append((name, json.loads(line.removeprefix("data:"))))
        except httpx.TransportError:
            pass
        finally:
            self.over = True

    def of(self, job_id: str) -> list[tuple[str, dict]]:
        return [(name, data) for name, data in self.heard if data["id"] == job_id]

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def listen():
    listeners = []

    def start(url, headers=None) -> Listener:
        listeners.append(Listener(url, headers))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


def test_every_jobs_way_is_told_to_its_end_and_its_erasure(service, tissue, listen, tmp_path):
    before = service.submit(tissue)
    service.wait(before)
    listener = listen(service.url)
    long = service.submit(tissue_slide(tmp_path / "long.svs", side_px=3136))
    short = service.submit(tissue)
    for job_id in (long, short):
        service.wait(job_id)
        until(lambda job_id=job_id: listener.of(job_id) and listener.of(job_id)[-1][1]["state"] == "succeeded")
    assert {name for name, _ in listener.of(long)} == {"job"}
    last = listener.of(long)[-1][1]
    assert last == service.job(long)
    states = [data["state"] for _, data in listener.of(long)]
    assert "running" in states
    fractions = [data["progress"]["fraction"] for _, data in listener.of(long) if data["progress"]]
    assert fractions == sorted(fractions)
    assert listener.of(before) == []
    service.http.delete(f"/jobs/{before}")
    until(lambda: listener.of(before) == [("erased", {"id": before})])


def test_who_comes_late_hears_of_what_is_under_way(service, tissue, listen):
    first = listen(service.url)
    with service.paused("worker"):
        job_id = service.submit(tissue)
        until(lambda: first.of(job_id))
        second = listen(service.url)
        until(lambda: second.of(job_id))
    assert service.wait(job_id)["state"] == "succeeded"
    until(lambda: all(one.of(job_id)[-1][1]["state"] == "succeeded" for one in (first, second)))
    assert [name for name, _ in first.of(job_id)[-1:] + second.of(job_id)[-1:]] == ["job", "job"]


def test_others_hear_nothing_and_a_revoked_key_hears_no_more(guarded, listen, tmp_path):
    service = guarded.service
    key = guarded.store.create("listener", "lab", ("read",))
    mine = listen(service.url, {"Authorization": f"Bearer {key}"})
    other, admin = listen(service.url, guarded.keys["other"]), listen(service.url, guarded.keys["admin"])
    assert listen(service.url).status == 401
    job_id = service.post(tissue_slide(tmp_path / "s.svs"), guarded.keys["lab"]).json()["id"]
    until(lambda: all(one.of(job_id) and one.of(job_id)[-1][1]["state"] == "succeeded" for one in (mine, admin)), 60)
    assert other.of(job_id) == []
    guarded.store.revoke("listener")
    until(lambda: mine.over, 15)
    assert not admin.over


def test_one_key_holds_a_share_of_the_streams_and_others_follow_all_the_same(guarded):
    address = (guarded.service.http.base_url.host, guarded.service.http.base_url.port)
    with ExitStack() as stack:

        def follow(key: str) -> bytes:
            stream = stack.enter_context(socket.create_connection(address, timeout=30))
            key_header = f"Authorization: {guarded.keys[key]['Authorization']}"
            stream.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\n{key_header}\r\n\r\n".encode())
            return stream.recv(12).split()[1]

        answers = [follow("lab") for _ in range(EVENT_STREAMS // 4)]
        assert set(answers) == {b"200"}
        assert follow("lab") == b"429"
        assert [follow(key) for key in ("viewer", "other")] == [b"200"] * 2
        stack.close()
        until(lambda: follow("lab") == b"200")  # those that hung up hold nothing
