"""What the log says of reader processes, and what it must not: a slide's name."""

import json
import os
import re
import shutil
import signal
import socket

import numpy as np
import pytest
from structlog.testing import capture_logs

from app.errors import DecoderCrashedError, InternalError, SlideCorruptError, SlideUnsupportedError
from app.slides.sandbox.channel import Channel
from app.slides.sandbox.protocol import error_from_json
from app.slides.sandbox.reader import SlideReader
from app.slides.types import ReadingPlan
from tests.slides.make_slide import he_like, write_svs
from tests.slides.processes import pid_of

PLAN = ReadingPlan()


def test_the_log_of_a_dead_process_names_no_slide(tmp_path):
    path = tmp_path / "Erika Muster" / "Muster 1950.svs"
    path.parent.mkdir()
    write_svs(path, np.zeros((300, 300, 3), np.uint8), 0.5)
    with capture_logs() as logs, SlideReader() as reader:
        reader.open(path)
        said = f"Traceback\nOSError: '{path}' {path.name}; {path.parent}/Muster 1950/Index.dat\ndecoder broke"
        os.pwrite(reader._process._stderr.fileno(), said.encode(), 0)
        os.kill(pid_of(reader), signal.SIGKILL)
        with pytest.raises(DecoderCrashedError):
            reader.survey(PLAN)
    (event,) = logs
    assert event["event"] == "reader.died"
    assert "Traceback" in event["cause"] and "decoder broke" in event["cause"] and "<slide>" in event["cause"]
    assert "Muster" not in str(event) and "1950" not in str(event)


def test_the_log_says_what_openslide_had_to_read(slide, tmp_path):
    raw = write_svs(tmp_path / "raw.svs", he_like(900, 900, 0.5, [(0, 0, 1, 1)]), 0.5, levels=(1,), compression="raw")
    data = bytearray(slide.read_bytes())
    starts = [found.start() for found in re.finditer(rb"\xff\xd8\xff", data)]
    second = -(-5_200 // 256) * -(-4_300 // 256) + 1  # of level 1, under four 5x tiles; no check looks at it
    middle = (starts[second] + starts[second + 1]) // 2
    data[middle : middle + 200] = bytes(range(1, 201))  # libjpeg warns, OpenSlide goes on
    (tmp_path / "warned.svs").write_bytes(data)
    with SlideReader() as reader:
        for path, told in [
            (slide, []),
            (raw, [("slide.read_by_openslide", "compression 1 with photometric interpretation 2")]),
            (tmp_path / "warned.svs", [("tiles.read_by_openslide", 4)]),
        ]:
            with capture_logs() as logs:
                reader.open(path)
                reader.survey(PLAN)
                list(reader.tiles(8))
                reader.qc_after_tiles()
            found = [(event["event"], event["reason"] if "reason" in event else event["tiles"]) for event in logs]
            assert found == told


def test_what_a_decoder_says_goes_to_the_log_and_not_to_the_client(slide, tmp_path):
    cut = tmp_path / "Muster_Hans.vms"
    cut.write_text("[Virtual Microscope Specimen]\nNoJpegColumns=1\nNoJpegRows=1\nMapFile=m.jpg\nImageFile=m.jpg\n")
    (tmp_path / "m.jpg").write_bytes(b'{"a secret": 1}')
    with capture_logs() as logs, SlideReader() as reader, pytest.raises(SlideCorruptError) as refused:
        reader.open(cut)
    assert not re.search(r"0x|JPEG|OpenSlide|secret|m\.jpg", refused.value.message)
    assert logs[0]["event"] == "decoder.refused"
    assert "OpenSlideError: " in logs[0]["reason"] and "Muster" not in str(logs)
    path = tmp_path / "s.svs"
    shutil.copy(slide, path)
    with capture_logs() as logs, SlideReader() as reader:
        reader.open(path)
        reader.survey(PLAN)
        os.truncate(path, 100_000)
        with pytest.raises(SlideCorruptError) as refused:
            list(reader.tiles(batch_tiles=2))
    assert "OpenSlide" not in refused.value.message and "OpenSlideError: " in logs[0]["reason"]


def test_an_error_that_is_none_of_a_slide_brings_no_text_of_the_process():
    told = error_from_json({"op": "error", "code": "internal_error", "message": "keys"})
    assert type(told) is InternalError and "keys" not in told.message


def test_a_text_of_a_process_that_was_taken_over_goes_to_the_log_alone(slide):
    """The test answers in the process's place."""
    with capture_logs() as logs, SlideReader() as reader:
        reader.open(slide)
        ours, theirs = socket.socketpair()
        with theirs:
            real, reader._process._channel = reader._process._channel, Channel(ours)
            answer = {"op": "error", "code": "slide_unsupported", "message": "AWS_SECRET=x", "decoder_text": "said so"}
            theirs.sendall(json.dumps(answer).encode() + b"\n")
            with pytest.raises(SlideUnsupportedError) as refused:
                reader.survey(PLAN)
            reader._process._channel.close()
            reader._process._channel = real
    assert refused.value.message.startswith("This kind of slide is not supported.")
    assert ("decoder.message_replaced", "AWS_SECRET=x") in [(event["event"], event.get("message")) for event in logs]
