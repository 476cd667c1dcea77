"""What a reader process reads, slide after slide."""

import os
import re
import shutil
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from app.errors import (
    EmptyUploadError,
    InternalError,
    MppMissingError,
    NotASlideError,
    SlideCorruptError,
    SlideMissingError,
)
from app.slides.formats.levels.level import choose_level
from app.slides.formats.opening import open_slide
from app.slides.sandbox.reader import SlideReader
from app.slides.tiles.render import render_tile
from app.slides.tiles.survey import survey_slide
from app.slides.tissue.sharpness import FocusSample
from app.slides.tissue.stain import stain_is_he
from app.slides.types import ReadingPlan
from tests.slides.make_slide import he_like, write_generic_tiff, write_svs
from tests.slides.processes import pid_of

PLAN = ReadingPlan()


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


@pytest.mark.parametrize("batch_tiles", [7, 16, 64])
def test_a_large_batch_has_as_much_time_for_each_few_tiles_as_a_small_one(slide, batch_tiles, monkeypatch):
    with SlideReader() as reader:
        reader.open(slide)
        reader.survey(PLAN)
        wanted = np.concatenate([batch.tiles.copy() for batch in reader.tiles(4)])
        asked, waited = [], []
        send, receive = reader._process.send, reader._process.receive
        monkeypatch.setattr(reader._process, "send", lambda message, *fds: asked.append(message) or send(message, *fds))
        monkeypatch.setattr(
            reader._process, "receive", lambda timeout_s: waited.append(timeout_s) or receive(timeout_s)
        )
        batches = [batch.tiles.copy() for batch in reader.tiles(batch_tiles)]
    assert len(batches[0]) == min(batch_tiles, 30)
    np.testing.assert_array_equal(np.concatenate(batches), wanted)
    counts = [message["count"] for message in asked if message["op"] == "tiles"]
    assert sum(counts) == 30 and max(counts) == 4
    assert len(waited) == len(counts) + 1  # the first is for the ring


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


def test_the_environment_stays_here(monkeypatch):
    monkeypatch.setenv("XMAG_SECRET", "key")
    with SlideReader() as reader:
        assert b"XMAG_SECRET" not in Path(f"/proc/{pid_of(reader)}/environ").read_bytes()


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
