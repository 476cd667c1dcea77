import errno
import os
import signal
import threading

import numpy as np
import pytest

from app.errors import DecoderCrashedError, DrainingError, InternalError, NotASlideError
from app.slides.sandbox import fork_server
from app.slides.sandbox.pool import ReaderPool
from tests.slides.make_slide import write_svs


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    return write_svs(tmp_path_factory.mktemp("pool") / "s.svs", np.zeros((300, 300, 3), np.uint8), 0.5)


def test_every_loan_is_a_process_of_its_own_that_ends_with_it(slide):
    with ReaderPool(size=1) as pool:
        pids = []
        for _ in range(3):
            with pool.lease() as reader:
                assert reader.open(slide).width == 300
                pids.append(reader.pid)
            assert not reader.alive
    assert len(set(pids)) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_crashed_reader_is_replaced_and_a_refused_slide_is_no_crash(slide, tmp_path):
    (tmp_path / "t.svs").write_text("text")
    with ReaderPool(size=1) as pool:
        with pytest.raises(DecoderCrashedError), pool.lease() as reader:
            os.kill(reader.pid, signal.SIGKILL)
            reader.open(slide)
        for _ in range(2):
            with pytest.raises(NotASlideError), pool.lease() as reader:
                reader.open(tmp_path / "t.svs")
        with pool.lease() as reader:
            assert reader.open(slide).width == 300


def test_no_more_than_size_are_lent(slide):
    with ReaderPool(size=2) as pool:
        most, now, lock, both = [0], [0], threading.Lock(), threading.Barrier(2)

        def probe() -> None:
            with pool.lease() as reader:
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                both.wait(20)
                reader.open(slide)
                with lock:
                    now[0] -= 1

        threads = [threading.Thread(target=probe) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == [2]


def test_closing_ends_readers_on_loan(slide):
    pool = ReaderPool(size=2)
    with pool.lease() as one, pool.lease() as other:
        pool.close()
        assert not one.alive and not other.alive
        for reader in (one, other):
            with pytest.raises(ProcessLookupError):
                os.kill(reader.pid, 0)
    with pytest.raises(DrainingError), pool.lease():
        pass


@pytest.fixture
def no_process(monkeypatch):
    """Has the system refuse new processes while it is switched on."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def switch(on: bool) -> None:
        monkeypatch.setattr(fork_server.FORK_SERVER, "fork", refuse) if on else monkeypatch.undo()

    return switch


def test_a_lease_without_a_process_costs_no_slot(slide, no_process):
    with ReaderPool(size=2) as pool:
        with pool.lease() as only:
            no_process(True)
            assert only.open(slide).width == 300
            for _ in range(3):
                with pytest.raises(InternalError, match="cannot be started"), pool.lease():
                    pass
            assert pool._lent == {only}
        assert pool._lent == set()
        no_process(False)
        with pool.lease() as first, pool.lease() as second:
            assert first.open(slide).width == second.open(slide).width == 300
