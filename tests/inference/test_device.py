"""Whose batch comes next, and that it makes no difference to the result."""

import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from app.errors import InferenceFailedError
from app.inference.device import FAIR_EVERY, Claim, Device
from app.inference.model import Model
from tests.inference.test_embedder import noise


class Recorder:
    """Stands for an embedder: each "tile" is one number, noted when it is computed; a negative one fails.

    The first call waits until ``opened``, so that a line forms behind it.
    """

    def __init__(self) -> None:
        self.began, self.opened = threading.Event(), threading.Event()
        self.seen: list[int] = []

    def embed(self, tiles: np.ndarray) -> np.ndarray:
        self.began.set()
        assert self.opened.wait(10)
        self.seen.append(int(tiles[0]))
        if tiles[0] < 0:
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


def test_a_tile_has_the_same_bits_in_any_batch_and_whoever_else_is_embedded(device: Device, model: Model) -> None:
    tiles = noise(16)
    together = model.embedder.embed(tiles)
    for count in (1, 3, 8):
        parts = [tiles[start : start + count] for start in range(0, 16, count)]
        answers = [device.submit(model.embedder, part, Claim(0, 1)) for part in parts]
        np.testing.assert_array_equal(np.concatenate([answer.result(60) for answer in answers]), together)
