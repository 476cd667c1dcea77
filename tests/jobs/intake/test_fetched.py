"""Copies of objects: as long as their block, on space that is there, and cleared when nobody holds them."""

import hashlib
import os
import zipfile
from collections import namedtuple
from contextlib import ExitStack

import pytest

from app.errors import ArchiveInvalidError, CancelledError, DiskLowError, ObjectNotAllowedError
from app.jobs.intake.fetched import Copies
from app.objects.store import ObjectStore
from app.records.record import ObjectSource, now
from app.records.store import Attempt
from app.settings import Settings
from tests.jobs.requests import make_request
from tests.object_store import BUCKET, KEYS

Usage = namedtuple("Usage", "free")
SLIDE = os.urandom(1_000_000)


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def copies(tmp_path, object_server):
    return copies_of(tmp_path, object_server)


def copies_of(tmp_path, object_server, **others):
    known = {"object_endpoint": object_server.url, "object_roots": (f"s3://{BUCKET}",), "object_patience_s": 0.5}
    settings = Settings(data_dir=tmp_path, disk_free_min_bytes=0, **(known | others))
    return Copies(settings, ObjectStore(settings))


def a_copy(copies, object_server, data=SLIDE, key="copied.svs", progress=lambda *_: None):
    """What ``fetched`` gives for a new object of a new job."""
    object_server.put(key, data)
    etag = f'"{hashlib.md5(data).hexdigest()}"'
    source = ObjectSource(object=f"s3://{BUCKET}/{key}", size_bytes=len(data), etag=etag, version=None)
    return copies.fetched(source, make_request(source=source), Attempt(1, now(), None), progress)


def test_a_copy_is_hashed_told_of_and_gone_in_the_end(copies, object_server, tmp_path):
    told = []
    with a_copy(copies, object_server, progress=lambda *step: told.append(step)) as file:
        assert file.path.read_bytes() == SLIDE
        assert (file.path.suffix, file.size_bytes) == (".svs", len(SLIDE))
        assert file.sha256 == hashlib.sha256(SLIDE).hexdigest()
        assert list(file.path.parent.iterdir()) == [file.path]
    assert [entry.name for entry in (tmp_path / "fetched").iterdir()] == [".lock"]
    assert {(stage, total) for stage, _, total in told} == {("fetch", len(SLIDE))}


def test_a_failed_block_leaves_nothing(copies, object_server):
    with pytest.raises(CancelledError), a_copy(copies, object_server) as file:
        raise CancelledError("no more")
    assert not file.path.parent.exists()


def test_a_zip_is_unpacked_and_what_identifies_its_slide_is_the_readers_to_say(copies, object_server, tmp_path):
    (tmp_path / "a.tif").write_bytes(SLIDE)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "case/a.tif")
    with a_copy(copies, object_server, (tmp_path / "a.zip").read_bytes(), "a.zip") as file:
        assert [path.name for path in file.path.rglob("*.*")] == ["a.tif"]
        assert (file.sha256, file.size_bytes) == (None, None)
    with pytest.raises(ArchiveInvalidError), a_copy(copies, object_server, b"PK\x03\x04 and no zip", "b.zip"):
        pass
    assert [entry.name for entry in (tmp_path / "fetched").iterdir()] == [".lock"]


def test_unpacking_stops_when_it_is_told_to(copies, object_server, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.tif", os.urandom(5_000_000))
    size, asked = (tmp_path / "a.zip").stat().st_size, []

    def progress(_, done, total):
        if done == total:
            asked.append(done)
            if len(asked) == 3:
                raise CancelledError("enough")

    with (
        pytest.raises(CancelledError),
        a_copy(copies, object_server, (tmp_path / "a.zip").read_bytes(), "z.zip", progress),
    ):
        pass
    assert asked == [size] * 3


def test_what_an_ended_process_left_is_cleared_and_what_is_in_use_is_not(copies, object_server, tmp_path):
    assert copies.clear() == 0
    with a_copy(copies, object_server) as file:
        left = tmp_path / "fetched" / "left-1"
        left.mkdir()
        (left / "expects").write_text("5")
        (tmp_path / "fetched" / "left-2").mkdir()
        other = copies_of(tmp_path, object_server)  # as another process has it
        assert other.clear() == 2
        assert file.path.exists()
        assert not left.exists()
    assert copies.clear() == 0


def test_what_an_ended_process_left_takes_no_room(copies, object_server, tmp_path, monkeypatch):
    left = tmp_path / "fetched" / "left-1"
    left.mkdir(parents=True)
    (left / "expects").write_text(str(10**12))
    monkeypatch.setattr("app.system.disk.shutil.disk_usage", lambda _: Usage(2 * len(SLIDE)))
    with a_copy(copies, object_server):
        assert not left.exists()


def test_there_is_room_for_every_copy_or_it_waits(copies, object_server, tmp_path, monkeypatch):
    other = copies_of(tmp_path, object_server)
    with ExitStack() as held:
        disk = Usage(int(2.5 * len(SLIDE)))
        # as if nothing were written yet
        monkeypatch.setattr("app.system.disk.shutil.disk_usage", lambda _: disk)
        (first,) = [held.enter_context(a_copy(copies, object_server))]
        os.truncate(first.path, 0)  # on its way: all of it is still to come
        second = held.enter_context(a_copy(other, object_server))
        os.truncate(second.path, 0)
        with pytest.raises(DiskLowError), a_copy(other, object_server):
            pass
        told = []

        def make_room(*_):
            told.append(1)
            if len(told) == 3:
                os.truncate(first.path, len(SLIDE))

        held.enter_context(a_copy(copies, object_server, progress=make_room))


def test_a_zip_waits_for_room_for_what_it_holds_too(copies, object_server, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.tif", SLIDE)
    data = (tmp_path / "a.zip").read_bytes()
    monkeypatch.setattr("app.system.disk.shutil.disk_usage", lambda _: Usage(2 * len(data) - 1))
    told = []
    with pytest.raises(DiskLowError), a_copy(copies, object_server, data, "a.zip", lambda *step: told.append(step)):
        pass
    assert {done for _, done, _ in told} == {0}  # refused before it was fetched
    monkeypatch.setattr("app.system.disk.shutil.disk_usage", lambda _: Usage(2 * len(data)))
    other = copies_of(tmp_path, object_server)
    with a_copy(copies, object_server, data, "a.zip"), a_copy(other, object_server):
        pass  # once unpacked, it needs no more


def test_a_worker_has_its_own_say_in_what_is_allowed(tmp_path, object_server):
    copies = copies_of(tmp_path, object_server, object_roots=("s3://others",))
    with pytest.raises(ObjectNotAllowedError), a_copy(copies, object_server):
        pass
    assert not (tmp_path / "fetched").exists()
