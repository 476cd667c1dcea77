"""The client against a real server, which is changed, emptied, killed and held under it."""

import asyncio
import hashlib
import os
import socket
import time

import pytest

from app.errors import (
    CancelledError,
    ObjectNotAllowedError,
    SlideMissingError,
    SourceChangedError,
    StorageUnavailableError,
)
from app.objects.store import PART_BYTES, PARTS_AHEAD, ObjectStore
from app.settings import Settings
from app.system.object_address import ObjectAddress
from tests.object_store import BUCKET, KEYS, Line

ODD = "case 1/ü #?&=+%2F%20;,'\"()[]{}|^`~\\$@!*<>:.svs"
LARGE = os.urandom(2 * PART_BYTES + 12345)


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def store_at(url, patience_s=1):
    return ObjectStore(Settings(object_endpoint=url, object_patience_s=patience_s))


def state_of(store, key):
    return asyncio.run(store.state(ObjectAddress(BUCKET, key)))


def fetched(store, key, state, turn=lambda: None):
    found = []
    store.fetch(ObjectAddress(BUCKET, key), state, lambda part: found.append(bytes(part)), turn)
    return b"".join(found)


@pytest.mark.parametrize(("key", "data"), [("large.svs", LARGE), (ODD, b"odd"), ("empty.svs", b"")])
def test_an_object_comes_whole_and_in_order(object_server, key, data):
    object_server.put(key, data)
    store = store_at(object_server.url)
    state = state_of(store, key)
    assert (state.size_bytes, state.version) == (len(data), None)
    assert state.etag == f'"{hashlib.md5(data).hexdigest()}"'
    assert fetched(store, key, state) == data


def test_the_version_is_told_where_the_store_keeps_any(object_server):
    client = object_server.client
    client.create_bucket(Bucket="versioned")
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    version = client.put_object(Bucket="versioned", Key="a.svs", Body=b"a")["VersionId"]
    state = asyncio.run(store_at(object_server.url).state(ObjectAddress("versioned", "a.svs")))
    assert state.version == version


def test_an_object_that_changed_is_not_fetched(object_server):
    object_server.put("changing.svs", b"before")
    store = store_at(object_server.url)
    state = state_of(store, "changing.svs")
    object_server.put("changing.svs", b"after!")
    with pytest.raises(SourceChangedError):
        fetched(store, "changing.svs", state)


def test_an_object_that_changes_while_it_is_fetched_is_not_mixed(object_server, monkeypatch):
    monkeypatch.setattr("app.objects.store.PART_BYTES", 2**18)
    object_server.put("mixed.svs", LARGE)
    store = store_at(object_server.url)
    state, found = state_of(store, "mixed.svs"), []

    def take(part):
        if not found:
            object_server.put("mixed.svs", LARGE[::-1])
        found.append(part)

    with pytest.raises(SourceChangedError):
        store.fetch(ObjectAddress(BUCKET, "mixed.svs"), state, take, lambda: None)
    assert 1 <= len(found) <= PARTS_AHEAD
    assert LARGE.startswith(b"".join(found))


def test_a_store_that_overlooks_if_match_is_not_believed(object_server):
    object_server.put("overlooked.svs", b"before")
    line = Line(object_server.port, overlooks=b"if-match")
    try:
        store = store_at(line.url)
        state = state_of(store, "overlooked.svs")
        object_server.put("overlooked.svs", b"after!")
        with pytest.raises(SourceChangedError):
            fetched(store, "overlooked.svs", state)
    finally:
        line.stop()


def test_what_is_not_there_is_missing(object_server):
    store = store_at(object_server.url)
    for bucket, key in ((BUCKET, "none.svs"), ("no-such-bucket", "a.svs")):
        with pytest.raises(SlideMissingError):
            asyncio.run(store.state(ObjectAddress(bucket, key)))
    object_server.put("gone.svs", b"x")
    state = state_of(store, "gone.svs")
    object_server.delete("gone.svs")
    with pytest.raises(SlideMissingError):
        fetched(store, "gone.svs", state)


def test_a_store_that_does_not_answer_is_given_up_in_time():
    with socket.socket() as deaf:  # takes connections and says nothing
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        for port in (deaf.getsockname()[1], 1):
            began = time.monotonic()
            with pytest.raises(StorageUnavailableError) as error:
                state_of(store_at(f"http://127.0.0.1:{port}"), "Mueller-1950.svs")
            assert time.monotonic() - began < 6
            assert error.value.retryable
            assert "Mueller" not in error.value.message


@pytest.fixture
def line(object_server):
    """To the store, and cut in the end."""
    made = Line(object_server.port)
    yield made
    made.stop()


def about_to_hang(object_server, line, after_bytes):
    """The store behind the line, and the state of `hangs.svs`, of which so many bytes more will come."""
    object_server.put("hangs.svs", LARGE)
    store = store_at(line.url, patience_s=20)
    state = state_of(store, "hangs.svs")
    line.hold(after_bytes)
    return store, state


def test_a_line_that_is_silent_for_a_while_costs_nothing_that_came(object_server, line):
    store, state = about_to_hang(object_server, line, after_bytes=3_000_000)
    freed = []

    def turn():
        if line.is_held.is_set() and not freed:
            freed.append(time.monotonic())
            line.free()

    assert fetched(store, "hangs.svs", state, turn) == LARGE
    assert freed


def test_stopping_does_not_wait_for_a_line_that_hangs(object_server, line):
    store, state = about_to_hang(object_server, line, after_bytes=1_000_000)
    stopped = []

    def turn():
        if line.is_held.is_set():
            stopped.append(time.monotonic())
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        fetched(store, "hangs.svs", state, turn)
    assert time.monotonic() - stopped[0] < 1


def test_a_key_that_may_not_read_is_told_from_a_store_that_is_away(object_server):
    object_server.put("mine.svs", b"x")
    with object_server.asking_for_keys(), pytest.raises(ObjectNotAllowedError) as error:
        state_of(store_at(object_server.url), "mine.svs")
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in error.value.message
    assert state_of(store_at(object_server.url), "mine.svs").size_bytes == 1
