"""Whose batch comes next, and that it makes no difference to the result."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from app.errors import InferenceFailedError
from app.inference.device import FAIR_EVERY, Claim, Device, Filled
from app.inference.model import Model
from tests.inference.test_embedder import noise
from tests.service import until


class Recorder:
    """Stands for an embedder: each "tile" is one number, noted when it is computed; a negative one fails.

    The first call waits until ``opened``, so that a line forms behind it.
    """

    def __init__(self, batch_tiles: int = 1) -> None:
        self.began, self.opened = threading.Event(), threading.Event()
        self.batch_tiles = batch_tiles
        self.lanes = 1
        self.niceness = 0
        self.batches: list[list[int]] = []

    @property
    def seen(self) -> list[int]:
        return [tile for batch in self.batches for tile in batch]

    def room(self, tiles: int) -> int:
        return -(-tiles // self.batch_tiles) * self.batch_tiles

    def splits(self) -> int:
        return 0

    def embed(self, tiles: np.ndarray) -> np.ndarray:
        self.began.set()
        assert self.opened.wait(10)
        self.batches.append(tiles.tolist())
        if (tiles < 0).any():
            raise InferenceFailedError("broken")
        return tiles.astype(np.float32)


@pytest.fixture
def device() -> Iterator[Device]:
    with closing(Device()) as made:
        yield made


@pytest.fixture
def busy(device: Device) -> Recorder:
    """An embedder at work on tile 0."""
    recorder = Recorder()
    device.submit(recorder, np.array([0]), Claim(0, 1))
    assert recorder.began.wait(10)
    return recorder


def test_a_biopsy_overtakes_a_resection_and_what_is_urgent_both(device: Device, busy: Recorder) -> None:
    line = [(1, Claim(3, 10_000)), (2, Claim(3, 9_984)), (3, Claim(3, 20)), (4, Claim(3, 4)), (5, Claim(0, 30_000))]
    answers = [device.submit(busy, np.array([tile]), claim) for tile, claim in line]
    busy.opened.set()
    assert [answer.result(10).item() for answer in answers] == [1, 2, 3, 4, 5]
    assert busy.seen == [0, 5, 4, 3, 2, 1]


def test_a_slides_own_batches_are_computed_in_order(device: Device, busy: Recorder) -> None:
    slide, other = object(), object()
    line = [(1, Claim(3, 30, slide)), (11, Claim(3, 28, other)), (2, Claim(3, 29, slide)), (12, Claim(3, 27, other))]
    answers = [device.submit(busy, np.array([tile]), claim) for tile, claim in line]
    busy.opened.set()
    assert [answer.result(10).item() for answer in answers] == [1, 11, 2, 12]
    assert busy.seen == [0, 11, 12, 1, 2]


def test_nobody_waits_for_ever(device: Device, busy: Recorder) -> None:
    long = device.submit(busy, np.array([-1]), Claim(3, 10_000))
    short = [device.submit(busy, np.array([tile]), Claim(0, 1)) for tile in range(1, 20)]
    busy.opened.set()
    assert [answer.result(10).item() for answer in short] == list(range(1, 20))
    assert busy.seen.index(-1) == FAIR_EVERY - 1
    assert isinstance(long.exception(10), InferenceFailedError)


def test_an_error_is_the_slides_own_and_the_next_is_computed(device: Device, busy: Recorder) -> None:
    broken = device.submit(busy, np.array([-7]), Claim(0, 1))
    good = device.submit(busy, np.array([7]), Claim(0, 1))
    busy.opened.set()
    with pytest.raises(InferenceFailedError, match="broken"):
        broken.result(10)
    assert good.result(10).item() == 7


def test_what_was_cancelled_in_the_line_is_not_computed(device: Device, busy: Recorder) -> None:
    unwanted = device.submit(busy, np.array([1]), Claim(0, 1))
    wanted = device.submit(busy, np.array([2]), Claim(0, 2))
    assert unwanted.cancel()
    busy.opened.set()
    assert wanted.result(10).item() == 2
    assert busy.seen == [0, 2]


def test_closing_cancels_the_line_and_ends_the_thread(device: Device, busy: Recorder) -> None:
    waiting = device.submit(busy, np.array([1]), Claim(0, 1))
    threading.Timer(0.1, busy.opened.set).start()
    device.close()
    assert waiting.cancelled() and busy.seen == [0]
    assert not any(thread.name == "device" for thread in threading.enumerate())
    with pytest.raises(RuntimeError, match="closed"):
        device.submit(busy, np.array([1]), Claim(0, 1))


@pytest.fixture
def roomy(device: Device) -> Recorder:
    """As ``busy``, with batches of eight."""
    recorder = Recorder(batch_tiles=8)
    device.submit(recorder, np.array([0]), Claim(0, 1))
    assert recorder.began.wait(10)
    return recorder


def test_a_batch_is_filled_across_slides_by_their_turn(device: Device, roomy: Recorder) -> None:
    line = [([1, 2, 3], Claim(3, 30)), ([4, 5, 6, 7], Claim(3, 20)), ([8, 9], Claim(0, 99)), ([10, 11], Claim(3, 40))]
    answers = [device.submit(roomy, np.array(tiles), claim) for tiles, claim in line]
    roomy.opened.set()
    assert [answer.result(10).tolist() for answer in answers] == [tiles for tiles, _ in line]
    assert roomy.batches == [[0], [8, 9, 4, 5, 6, 7, 10, 11], [1, 2, 3]]  # three tiles no longer fit beside six, two do
    assert (device.filled(), device.filled()) == (Filled(tiles=12, room=24), Filled(0, 0))


def test_batches_of_two_models_are_not_mixed(device: Device, roomy: Recorder) -> None:
    other = Recorder(batch_tiles=8)
    other.opened.set()
    line = [(roomy, [1]), (other, [2]), (roomy, [3]), (other, [4])]
    answers = [device.submit(model, np.array(tiles), Claim(0, tiles[0])) for model, tiles in line]
    roomy.opened.set()
    assert [answer.result(10).tolist() for answer in answers] == [tiles for _, tiles in line]
    assert (roomy.batches, other.batches) == ([[0], [1, 3]], [[2, 4]])


def test_a_batch_that_fails_is_computed_slide_by_slide(device: Device, roomy: Recorder) -> None:
    line = [[1, 2], [3, -4], [5]]
    answers = [device.submit(roomy, np.array(tiles), Claim(0, row)) for row, tiles in enumerate(line)]
    roomy.opened.set()
    assert [answer.result(10).tolist() for answer in (answers[0], answers[2])] == [[1, 2], [5]]
    assert isinstance(answers[1].exception(10), InferenceFailedError)
    assert roomy.batches == [[0], [1, 2, 3, -4, 5], [1, 2], [3, -4], [5]]
    assert device.filled() == Filled(tiles=4, room=24)


def test_what_is_cancelled_is_left_out_of_its_batch(device: Device, roomy: Recorder) -> None:
    unwanted = device.submit(roomy, np.array([7, 8]), Claim(0, 2))
    wanted = [device.submit(roomy, np.array([tile]), Claim(0, tile)) for tile in (1, 9)]
    assert unwanted.cancel()
    roomy.opened.set()
    assert [answer.result(10).item() for answer in wanted] == [1, 9]
    assert roomy.batches == [[0], [1, 9]]


class Meeting:
    """Stands for an embedder of three lanes: nothing is computed until three batches are in hand."""

    batch_tiles, lanes, niceness = 2, 3, 0

    def __init__(self) -> None:
        self.barrier = threading.Barrier(3)

    def room(self, tiles: int) -> int:
        return tiles

    def splits(self) -> int:
        return 0

    def embed(self, tiles: np.ndarray) -> np.ndarray:
        self.barrier.wait(10)
        return tiles.astype(np.float32)


def test_as_many_batches_are_computed_at_a_time_as_there_are_lanes(device: Device) -> None:
    found = device.embed(Meeting(), np.arange(18))
    assert found.tolist() == list(range(18))
    assert sum(thread.name == "device" for thread in threading.enumerate()) == 3
    assert device.filled() == Filled(18, 18)


def test_a_tile_has_the_same_bits_in_any_batch_and_whoever_else_is_embedded(device: Device, model: Model) -> None:
    tiles = noise(16)
    together = model.embedder.embed(tiles)
    assert model.embedder.lanes == 2
    np.testing.assert_array_equal(device.embed(model.embedder, tiles), together)
    for count in (1, 3, 4):
        parts = [tiles[start : start + count] for start in range(0, 16, count)]
        answers = [device.submit(model.embedder, part, Claim(0, 1)) for part in parts]
        np.testing.assert_array_equal(np.concatenate([answer.result(60) for answer in answers]), together)


def test_a_batch_that_does_not_end_is_noticed_and_so_is_an_idle_device(device: Device, busy: Recorder) -> None:
    busy.limit_s = None
    assert not device.is_stuck()
    busy.limit_s = 0.01
    until(device.is_stuck)
    assert device.idle_s() == 0
    busy.opened.set()
    until(lambda: device.idle_s() > 0.01)
    assert not device.is_stuck()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux alone")
def test_what_computes_lets_those_go_first_who_feed_it(device: Device) -> None:
    asked = Recorder()
    asked.niceness = 7
    found: list[int] = []
    asked.embed = lambda tiles: found.append(os.getpriority(os.PRIO_PROCESS, 0)) or tiles  # 0: the calling thread
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    device.submit(asked, np.array([1]), Claim(0, 1)).result(10)
    assert found == [max(mine, 7)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine
