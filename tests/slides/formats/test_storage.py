"""What is the storage's fault is not called the slide's."""

import errno
import os
import socket
import threading

import numpy as np
import openslide
import pytest

from app.errors import (
    DecoderCrashedError,
    NotASlideError,
    SlideCorruptError,
    SlideMissingError,
    StorageUnavailableError,
    XmagError,
)
from app.slides.formats import opening
from app.slides.formats.storage import storage_error
from app.slides.sandbox import reader_service
from app.slides.sandbox.channel import Channel
from app.slides.sandbox.confinement import Confined, Confinement
from app.slides.sandbox.protocol import error_from_json, plan_to_json
from app.slides.types import ReadingPlan
from tests.slides.make_slide import write_svs


class NotConfined(Confinement):
    """What would hold for this process for good is left out."""

    def __init__(self) -> None:
        self._done = Confined(False, False, False, False)

    def wait_for_request(self, _: socket.socket) -> bool:
        return True

    def to_slide(self, *_: object) -> None:
        pass


@pytest.fixture
def ask():
    """Asks the reader's own code, in a thread of this process, where its calls to the system can be replaced."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=reader_service.serve, args=(theirs, NotConfined()))
    thread.start()
    channel = Channel(ours)

    def question(**request: object) -> XmagError | None:
        channel.send(request)
        answer = channel.receive(10)
        return error_from_json(answer) if answer["op"] == "error" else None

    yield question
    channel.shut_down()
    channel.close()
    thread.join(5)
    theirs.close()


@pytest.fixture
def slide(tmp_path):
    return write_svs(tmp_path / "Muster.svs", np.zeros((300, 300, 3), np.uint8), 0.5)


def failing(number):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "/slides/Muster.svs")

    return fail


@pytest.mark.parametrize(
    ("number", "expected", "words"),
    [
        (errno.EIO, StorageUnavailableError, "try again"),
        (errno.ESTALE, StorageUnavailableError, "try again"),
        (errno.ETIMEDOUT, StorageUnavailableError, "try again"),
        (errno.EACCES, StorageUnavailableError, "permissions"),
        (errno.ENOENT, SlideMissingError, "no file"),
        (errno.ENOTDIR, SlideMissingError, "no file"),
        (errno.EINVAL, SlideCorruptError, "damaged"),
        (errno.ENOMEM, DecoderCrashedError, "memory"),
    ],
)
def test_errors_of_opening_travel_by_their_cause(ask, slide, monkeypatch, number, expected, words):
    monkeypatch.setattr(reader_service, "open_slide", failing(number))
    error = ask(op="open", path=str(slide), mpp=None)
    assert type(error) is expected and words in error.message and "Muster" not in error.message
    monkeypatch.undo()
    assert ask(op="open", path=str(slide), mpp=None) is None


def test_a_decoder_that_quotes_the_systems_error(ask, slide, monkeypatch):
    def fail(*_: object) -> None:
        raise openslide.OpenSlideError(f"Couldn't read {slide}: {os.strerror(errno.EIO)}")

    monkeypatch.setattr(opening.openslide.OpenSlide, "__init__", fail)
    assert type(ask(op="open", path=str(slide), mpp=None)) is StorageUnavailableError


@pytest.mark.parametrize("refusal", [NotASlideError("No reader."), SlideCorruptError("It ends early.")])
def test_a_refusal_is_not_believed_while_the_files_cannot_be_read(ask, slide, monkeypatch, refusal):
    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(reader_service, "open_slide", refuse)
    assert type(ask(op="open", path=str(slide), mpp=None)) is type(refusal)
    monkeypatch.setattr(type(slide), "open", failing(errno.EIO))
    assert type(ask(op="open", path=str(slide), mpp=None)) is StorageUnavailableError


def test_nothing_open_is_not_the_storages_fault(ask):
    plan = plan_to_json(ReadingPlan())
    assert plan["tile_px"] == 224
    assert type(ask(op="tiles", start=0, count=1, at=0)) is SlideMissingError


def test_no_number_is_a_decoders_complaint():
    assert type(storage_error(OSError("image file is truncated"))) is SlideCorruptError
