"""Room on the disk for uploads that come in: kept for those that send, not for those that only announce."""

from types import SimpleNamespace

import pytest

from app.errors import DiskLowError, QueueFullError
from app.jobs import admission as module
from app.jobs.admission import Admission
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
def admission(tmp_path, store, queue, monkeypatch, clock):
    """100 GiB free beside those that are always kept."""
    monkeypatch.setattr("app.system.disk.shutil.disk_usage", lambda path: SimpleNamespace(free=101 * GIB))
    return Admission(Settings(data_dir=tmp_path, disk_free_min_bytes=GIB, uploads_max=64), store, queue)


def test_what_is_announced_and_not_sent_keeps_the_disk_from_nobody(admission, clock):
    with admission.upload(A, 60 * GIB), admission.upload(A, 60 * GIB):
        clock.s += 3600
        admission.check_disk(99 * GIB)
        with admission.upload(B, 60 * GIB):
            pass
        with pytest.raises(DiskLowError), admission.upload(B, 101 * GIB):
            pass


def test_an_upload_that_is_sent_keeps_room_for_its_rest(admission, clock):
    with admission.upload(A, 60 * GIB) as arrival:
        clock.s += 10
        arrival.received(GIB)  # the rest would be here in ten minutes
        with pytest.raises(DiskLowError):
            admission.check_disk(42 * GIB)
        admission.check_disk(40 * GIB)
        arrival.received(59 * GIB)
        admission.check_disk(99 * GIB)
    admission.check_disk(100 * GIB)


def test_a_slow_upload_keeps_what_can_come_soon(admission, clock):
    with admission.upload(A, 60 * GIB) as arrival:
        clock.s += 1000
        arrival.received(100 * 2**20)  # 60 MiB in the next ten minutes
        admission.check_disk(100 * GIB - 124 * 2**20)
        with pytest.raises(DiskLowError):
            admission.check_disk(100 * GIB - 123 * 2**20)


def test_a_refused_upload_takes_no_place(admission):
    for _ in range(100):
        with pytest.raises(DiskLowError), admission.upload(A, 200 * GIB):
            pass
    held = [admission.upload(A, 1) for _ in range(17)]
    for one in held[:-1]:
        one.__enter__()
    with pytest.raises(QueueFullError):
        held[-1].__enter__()
    with admission.upload(B, 1):
        pass
