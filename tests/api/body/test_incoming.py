"""Room on the disk for uploads that come in: kept for those that send, not for those that only announce."""

from types import SimpleNamespace

import pytest

from app.api.body import incoming as module
from app.api.body.incoming import Incoming
from app.errors import DiskLowError, QueueFullError
from app.records.record import Holder
from app.settings import Settings

GIB = 2**30
A, B = Holder("a", "1"), Holder("b", "1")


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(s=1000.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.s)
    return clock


@pytest.fixture
def incoming(tmp_path, monkeypatch, clock):
    """100 GiB free beside those that are always kept."""
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=101 * GIB))
    return Incoming(Settings(data_dir=tmp_path, disk_free_min_bytes=GIB, uploads_max=64))


def test_what_is_announced_and_not_sent_keeps_the_disk_from_nobody(incoming, clock):
    with incoming.upload(A, 60 * GIB), incoming.upload(A, 60 * GIB):
        clock.s += 3600
        incoming.check_disk(99 * GIB)
        with incoming.upload(B, 60 * GIB):
            pass
        with pytest.raises(DiskLowError), incoming.upload(B, 101 * GIB):
            pass


def test_an_upload_that_is_sent_keeps_room_for_its_rest(incoming, clock):
    with incoming.upload(A, 60 * GIB) as arrival:
        clock.s += 10
        arrival.received(GIB)  # the rest would be here in ten minutes
        with pytest.raises(DiskLowError):
            incoming.check_disk(42 * GIB)
        incoming.check_disk(40 * GIB)
        arrival.received(59 * GIB)
        incoming.check_disk(99 * GIB)
    incoming.check_disk(100 * GIB)


def test_a_slow_upload_keeps_what_can_come_soon(incoming, clock):
    with incoming.upload(A, 60 * GIB) as arrival:
        clock.s += 1000
        arrival.received(100 * 2**20)  # 60 MiB in the next ten minutes
        incoming.check_disk(100 * GIB - 124 * 2**20)
        with pytest.raises(DiskLowError):
            incoming.check_disk(100 * GIB - 123 * 2**20)


def test_a_refused_upload_takes_no_place(incoming):
    for _ in range(100):
        with pytest.raises(DiskLowError), incoming.upload(A, 200 * GIB):
            pass
    held = [incoming.upload(A, 1) for _ in range(17)]
    for one in held[:-1]:
        one.__enter__()
    with pytest.raises(QueueFullError):
        held[-1].__enter__()
    with incoming.upload(B, 1):
        pass
