"""Readers for people who look at slides: real processes, a few, never one for two slides."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import DecoderCrashedError, DrainingError, SlideMissingError, ViewerBusyError
from app.slides.types import Extent
from app.viewer import open_slides as module
from app.viewer.open_slides import SlideViews, Viewed
from tests.service import until
from tests.tissue import paint_tissue, tissue_slide

WHOLE = Extent(0, 0, 900, 900)


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    return [Viewed(name, tissue_slide(folder / f"{name}.svs", seed=seed)) for seed, name in enumerate("abc")]


@pytest.fixture
def views():
    with SlideViews(2) as views:
        yield views


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_slide_stays_open_and_another_gets_a_process_of_its_own(views, slides):
    with views.lease(slides[0]) as view:
        first = view.reader.pid
        pixels = view.reader.region(WHOLE, (900, 900))
    assert np.abs(pixels.astype(int) - paint_tissue(900, 900, 0)).mean() < 6
    with views.lease(slides[0]) as view:
        assert view.reader.pid == first
        with views.lease(slides[1]) as other:
            assert other.reader.pid != first
            assert np.abs(other.reader.region(WHOLE, (900, 900)).astype(int) - pixels).mean() > 6
    with views.lease(slides[2]) as third:  # the one not used for longest makes room
        assert third.reader.pid not in {first, other.reader.pid}
    assert views.names() == {"a", "c"}


def test_who_finds_no_reader_is_told_at_once(views, slides):
    with views.lease(slides[0]), views.lease(slides[0]):
        for slide in slides:
            with pytest.raises(ViewerBusyError), views.lease(slide):
                pass
    with views.lease(slides[2]) as view:
        assert view.info.width == 900


def test_one_after_another_uses_one_reader(views, slides):
    pids = []
    for _ in range(6):
        with views.lease(slides[0]) as view:
            pids.append(view.reader.pid)
            view.reader.region(WHOLE, (64, 64))
    assert len(set(pids)) == 1


def test_a_crash_costs_one_picture(views, slides):
    with views.lease(slides[0]) as view:
        first = view.reader.pid
        view.reader._process._child.kill()
        with pytest.raises(DecoderCrashedError):
            view.reader.region(WHOLE, (64, 64))
    with views.lease(slides[0]) as view:
        assert view.reader.pid != first
        assert view.reader.region(WHOLE, (64, 64)).shape == (64, 64, 3)


def test_a_slide_that_cannot_be_opened_takes_no_place(views, slides, tmp_path):
    for _ in range(3):
        with pytest.raises(SlideMissingError), views.lease(Viewed("gone", tmp_path / "gone.svs")):
            pass
    with views.lease(slides[0]), views.lease(slides[1]):
        assert views.names() == {"a", "b"}


def test_forgotten_and_idle_slides_are_let_go(views, slides, monkeypatch):
    with views.lease(slides[0]) as view:
        views.forget("a")  # while it is looked at: after that
        first = view.reader.pid
        assert view.reader.region(WHOLE, (64, 64)).any()
    until(lambda: not alive(first))
    with views.lease(slides[0]) as view:
        second = view.reader.pid
    views.sweep()
    assert views.names() == {"a"}
    monkeypatch.setattr(module, "IDLE_S", 0.0)
    views.sweep()
    assert views.names() == set()
    until(lambda: not alive(second))


def test_closed_is_closed(slides):
    views = SlideViews(1)
    with views.lease(slides[0]) as view:
        pid = view.reader.pid
        views.close()
    until(lambda: not alive(pid))
    with pytest.raises(DrainingError), views.lease(slides[0]):
        pass
