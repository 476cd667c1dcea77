"""The reader process, alive and killed."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from app.errors import (
    DecoderCrashedError,
    DecoderTimeoutError,
    EmptyUploadError,
    InternalError,
    MppMissingError,
    NotASlideError,
    SlideCorruptError,
    SlideMissingError,
    SlideTooCostlyError,
)
from app.slides import reader_process
from app.slides.focus import FocusSample
from app.slides.level import choose_level
from app.slides.opening import open_slide
from app.slides.protocol import error_from_json
from app.slides.reader import ReaderLimits, SlideReader
from app.slides.render import render_tile
from app.slides.stain import stain_is_he
from app.slides.survey import survey_slide
from app.slides.types import ReadingPlan

from .make_slide import he_like, write_generic_tiff, write_svs

PLAN = ReadingPlan()
HASTY = ReaderLimits(open_timeout_s=0.6, survey_timeout_s=0.6, batch_timeout_s=0.6)


def pid_of(reader: SlideReader) -> int:
    return reader._process.pid


def gone(pid: int, within_s: float = 3.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_what_comes_through_is_what_is_read_in_process(slide):
    with open_slide(slide) as opened:
        survey = survey_slide(opened, PLAN)
        level = choose_level(opened.info, PLAN.tile_mpp)
        tiles = [render_tile(opened, PLAN, level, int(x0), int(y0)) for x0, y0 in survey.coords]
        info = opened.info
    assert len(tiles) == 30
    with SlideReader() as reader:
        assert reader.open(slide) == info
        got = reader.survey(PLAN)
        batches = [(batch.start, batch.tiles.copy()) for batch in reader.tiles(batch_tiles=4)]
        qc = reader.qc_after_tiles()
        again = reader.again([29, 0, 7])
    assert [start for start, _ in batches] == list(range(0, 30, 4))
    assert np.array_equal(np.concatenate([tiles for _, tiles in batches]), np.stack(tiles))
    assert np.array_equal(again, np.stack([tiles[29], tiles[0], tiles[7]]))
    for name in ("thumbnail", "tissue_mask", "artefacts", "coords", "tissue_fractions", "tile_size0", "qc", "warnings"):
        assert np.array_equal(getattr(got, name), getattr(survey, name)), name
    sample = FocusSample(len(tiles))
    for index, tile in enumerate(tiles):
        sample.look_at(index, tile)
    assert qc.out_of_focus_fraction == sample.fraction() is not None
    assert list(qc.sharpness) == sample.judged()
    assert [row for row, _ in qc.sharpness] == list(range(30))
    assert qc.stain_he is stain_is_he(survey.thumbnail, survey.tissue_mask) is True


@pytest.mark.parametrize("keep", [1, 2, 5, 40])
def test_the_last_batches_stay_as_they_are(slide, keep):
    with SlideReader() as reader:
        reader.open(slide)
        reader.survey(PLAN)
        wanted = [batch.tiles.copy() for batch in reader.tiles(2)]
        kept = deque(maxlen=keep)
        for number, batch in enumerate(reader.tiles(2, keep)):
            kept.append((number, batch.tiles))
            time.sleep(0.02)  # the reader is ahead by all that it may
            for row, tiles in kept:
                np.testing.assert_array_equal(tiles, wanted[row])
    assert number == 14


def test_one_reader_reads_slide_after_slide_whatever_happens_between(slide, tmp_path):
    (tmp_path / "text.svs").write_text("no slide")
    (tmp_path / "empty.svs").touch()
    generic = write_generic_tiff(tmp_path / "g.tiff", np.zeros((600, 600, 3), np.uint8))
    cut = tmp_path / "cut.svs"
    cut.write_bytes(slide.read_bytes()[:100_000])
    with SlideReader() as reader:
        for path, error in [
            (tmp_path / "text.svs", NotASlideError),
            (tmp_path / "empty.svs", EmptyUploadError),
            (tmp_path / "nothing.svs", SlideMissingError),
            (generic, MppMissingError),
            (cut, SlideCorruptError),
        ]:
            with pytest.raises(error):
                reader.open(path)
            with pytest.raises(InternalError):
                reader.survey(PLAN)
        reader.open(slide)
        reader.survey(PLAN)
        stream = reader.tiles(batch_tiles=1)
        next(stream)
        next(stream)  # and left there, with others on their way
        assert reader.open(generic, mpp=1.0).mpp == 1.0
        reader.open(slide)
        reader.survey(PLAN)
        assert sum(len(batch.tiles) for batch in reader.tiles(7)) == 30
        assert reader.alive


def test_a_tile_that_cannot_be_decoded_ends_the_stream(tmp_path):
    path = write_svs(tmp_path / "s.svs", he_like(4_300, 5_200, 0.5, [(0, 0, 1, 1)]), 0.5, levels=(1, 4, 16))
    data = bytearray(path.read_bytes())
    starts = [found.start() for found in re.finditer(rb"\xff\xd8\xff", data)]
    with open_slide(path) as opened:
        across, down = (-(-side // 256) for side in (opened.info.width, opened.info.height))
        last = starts[across * down + 29]  # of level 1, which the tiles are read from; it holds least
    data[last : last + 600] = bytes(600)
    path.write_bytes(data)
    with SlideReader() as reader:
        reader.open(path)
        assert len(reader.survey(PLAN).coords) == 30  # seen on level 2, which is whole
        with pytest.raises(SlideCorruptError, match="cannot be decoded"):
            list(reader.tiles(4))
        assert reader.alive


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_in_mid_stream(slide, number):
    with SlideReader() as reader:
        reader.open(slide)
        reader.survey(PLAN)
        stream = reader.tiles(batch_tiles=1)
        next(stream)
        os.kill(pid_of(reader), number)
        with pytest.raises(DecoderCrashedError, match=number.name):
            list(stream)
        assert not reader.alive
        with pytest.raises(DecoderCrashedError):
            reader.open(slide)


@pytest.mark.parametrize("during", ["open", "tiles"])
def test_a_process_that_hangs_is_ended_in_time(slide, during):
    with SlideReader(ReaderLimits() if during == "tiles" else HASTY) as reader:
        if during == "tiles":
            reader.open(slide)
            reader.survey(PLAN)
            reader._limits = HASTY
            stream = reader.tiles(batch_tiles=1)
            next(stream)
        os.kill(pid_of(reader), signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(DecoderTimeoutError, match=r"0\.6 s"):
            list(stream) if during == "tiles" else reader.open(slide)
        assert time.monotonic() - start < 3
        assert not reader.alive and gone(pid_of(reader))


@pytest.mark.parametrize(("computed_s", "error"), [(0.2, DecoderTimeoutError), (0.4, SlideTooCostlyError)])
def test_a_decoder_that_computed_most_of_its_time_is_not_tried_again(slide, monkeypatch, computed_s, error):
    times_s = iter([7.0, 7.0 + computed_s])
    with SlideReader(HASTY) as reader:
        os.kill(pid_of(reader), signal.SIGSTOP)
        monkeypatch.setattr(reader._process, "computed_s", lambda: next(times_s))
        with pytest.raises(error) as caught:
            reader.open(slide)
    assert caught.value.retryable == (error is DecoderTimeoutError)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells it")
def test_the_time_that_a_decoder_computes_is_told(slide):
    with SlideReader() as reader:
        reader.open(slide)
        before_s, began_s = reader._process.computed_s(), time.monotonic()
        while reader._process.computed_s() < before_s + 0.1:
            reader.survey(PLAN)
            assert time.monotonic() - began_s < 60
        assert reader._process.computed_s() - before_s <= time.monotonic() - began_s + 0.05


def test_close_from_another_thread_ends_a_read_that_hangs(slide):
    reader = SlideReader()
    os.kill(pid_of(reader), signal.SIGSTOP)
    errors = []

    def read():
        try:
            reader.open(slide)
        except DecoderCrashedError as error:
            errors.append(error.message)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.2)
    reader.close()
    reader.close()
    thread.join(timeout=3)
    assert not thread.is_alive() and errors == ["Reading was broken off."]
    assert gone(pid_of(reader))


def test_a_process_that_cannot_start_is_our_error_not_the_slides(slide):
    with SlideReader(ReaderLimits(memory_bytes=60 * 2**20)) as reader, pytest.raises(InternalError):
        reader.open(slide)


def test_a_process_that_cannot_end_yet_holds_nobody_up_and_is_reaped_later(monkeypatch, caplog):
    """Stopped and with its killing put off, as one that waits for a dead share inside the kernel."""
    monkeypatch.setattr(reader_process, "_EXIT_WAIT_S", 0.2)
    reader = SlideReader()
    child = reader._process._child
    os.kill(child.pid, signal.SIGSTOP)
    monkeypatch.setattr(child, "kill", lambda: None)
    start = time.monotonic()
    reader.close()
    reader.close()
    assert time.monotonic() - start < 2
    assert "has not ended" in caplog.text
    os.kill(child.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child.pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{child.pid}").exists()


def test_the_log_of_a_dead_process_names_no_slide(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "Erika Muster" / "Muster 1950.svs"
    path.parent.mkdir()
    write_svs(path, np.zeros((300, 300, 3), np.uint8), 0.5)
    with SlideReader() as reader:
        reader.open(path)
        said = f"Traceback\nOSError: '{path}' {path.name}; {path.parent}/Muster 1950/Index.dat\ndecoder broke"
        os.pwrite(reader._process._stderr.fileno(), said.encode(), 0)
        os.kill(pid_of(reader), signal.SIGKILL)
        with pytest.raises(DecoderCrashedError):
            reader.survey(PLAN)
    assert "Traceback" in caplog.text and "decoder broke" in caplog.text and "<slide>" in caplog.text
    assert "Muster" not in caplog.text and "1950" not in caplog.text


def test_the_log_says_what_openslide_had_to_read(slide, tmp_path, caplog):
    caplog.set_level(logging.INFO, "app.slides.reader")
    raw = write_svs(tmp_path / "raw.svs", he_like(900, 900, 0.5, [(0, 0, 1, 1)]), 0.5, levels=(1,), compression="raw")
    data = bytearray(slide.read_bytes())
    starts = [found.start() for found in re.finditer(rb"\xff\xd8\xff", data)]
    second = -(-5_200 // 256) * -(-4_300 // 256) + 1  # of level 1, under four 5x tiles; no check looks at it
    middle = (starts[second] + starts[second + 1]) // 2
    data[middle : middle + 200] = bytes(range(1, 201))  # libjpeg warns, OpenSlide goes on
    (tmp_path / "warned.svs").write_bytes(data)
    with SlideReader() as reader:
        for path, said in [
            (slide, ""),
            (raw, "through OpenSlide: compression 1"),
            (tmp_path / "warned.svs", "4 tiles"),
        ]:
            caplog.clear()
            reader.open(path)
            reader.survey(PLAN)
            list(reader.tiles(8))
            reader.qc_after_tiles()
            assert said in caplog.text and bool(said) == bool(caplog.records)


def test_an_answer_that_makes_no_sense_ends_the_process(slide, monkeypatch):
    with SlideReader() as reader:
        reader.open(slide)
        monkeypatch.setattr(reader._process, "receive", lambda _: {"op": "survey", "tiles": 10**9})
        with pytest.raises(DecoderCrashedError, match="no sense"):
            reader.survey(PLAN)
        assert not reader.alive


def test_the_environment_stays_here(monkeypatch):
    monkeypatch.setenv("XMAG_SECRET", "key")
    with SlideReader() as reader:
        assert b"XMAG_SECRET" not in Path(f"/proc/{pid_of(reader)}/environ").read_bytes()


PARENT = """
import sys, time
from pathlib import Path
from app.slides.reader import SlideReader
from app.slides.types import ReadingPlan
reader = SlideReader()
reader.open(Path(sys.argv[1]))
reader.survey(ReadingPlan())
stream = reader.tiles(batch_tiles=1)
next(stream)
print(reader._process.pid, flush=True)
time.sleep(60)
"""


def test_when_the_parent_is_killed_nothing_is_left(slide, tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(slide)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child, within_s=0.1)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(child)
    assert list(tmp_path.iterdir()) == []
    assert not [path for path in Path("/dev/shm").iterdir() if "xmag" in path.name]


def test_a_slide_cut_off_while_it_is_read_is_damaged_and_the_process_lives(slide, tmp_path):
    """The tiles asked for ahead meet an OpenSlide that refuses everything after its first error."""
    path = tmp_path / "s.svs"
    shutil.copy(slide, path)
    with SlideReader() as reader:
        reader.open(path)
        reader.survey(PLAN)
        os.truncate(path, 100_000)
        for _ in range(2):
            with pytest.raises(SlideCorruptError, match="copy it again"):
                list(reader.tiles(batch_tiles=2))
        assert reader.alive
        assert reader.open(slide).width == 5_200


def test_what_a_decoder_says_goes_to_the_log_and_not_to_the_client(slide, tmp_path, caplog):
    caplog.set_level("INFO", logger="app.slides.reader")
    cut = tmp_path / "Muster_Hans.vms"
    cut.write_text("[Virtual Microscope Specimen]\nNoJpegColumns=1\nNoJpegRows=1\nMapFile=m.jpg\nImageFile=m.jpg\n")
    (tmp_path / "m.jpg").write_bytes(b'{"a secret": 1}')
    with SlideReader() as reader, pytest.raises(SlideCorruptError) as refused:
        reader.open(cut)
    assert not re.search(r"0x|JPEG|OpenSlide|secret|m\.jpg", refused.value.message)
    assert "OpenSlideError: " in caplog.text and "Muster" not in caplog.text
    caplog.clear()
    path = tmp_path / "s.svs"
    shutil.copy(slide, path)
    with SlideReader() as reader:
        reader.open(path)
        reader.survey(PLAN)
        os.truncate(path, 100_000)
        with pytest.raises(SlideCorruptError) as refused:
            list(reader.tiles(batch_tiles=2))
    assert "OpenSlide" not in refused.value.message and "OpenSlideError: " in caplog.text


def test_an_error_that_is_none_of_a_slide_brings_no_text_of_the_process():
    told = error_from_json({"op": "error", "code": "internal_error", "message": "keys"})
    assert type(told) is InternalError and "keys" not in told.message
