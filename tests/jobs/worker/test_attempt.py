"""One attempt: where the slide comes from, whether it stayed the same, and which files are left. The analysis is made
up; what it is given, and what is written of its result, are real."""

import hashlib

import numpy as np
import pytest

from app.analysis.pipeline import EmptySlideError
from app.errors import CancelledError, SlideMissingError, SourceChangedError, StorageUnavailableError
from app.jobs.intake.source import source_state
from app.jobs.worker.attempt import run_attempt
from app.records.record import ObjectSource, PathSource
from tests.jobs.requests import committed
from tests.results.make_result import make_result

RESULT = make_result()
SLIDE = b"a slide's bytes"


class Analysis:
    """Notes what it is to analyse, and the slide's bytes; then ``happens``."""

    def __init__(self):
        self.asked, self.read, self.happens = None, None, lambda: None

    def __call__(self, slide, means, progress):
        self.asked, self.read = slide, slide.path.read_bytes()
        self.happens()
        return RESULT


@pytest.fixture
def analysis(monkeypatch):
    made_up = Analysis()
    monkeypatch.setattr("app.jobs.worker.attempt.analyze", made_up)
    return made_up


@pytest.fixture
def bench(make_bench):
    """A worker that may fetch slides from s3://slides."""
    made = make_bench(object_roots="s3://slides")
    made.objects.fetch.side_effect = lambda address, state, take, turn: take(memoryview(SLIDE))
    return made


def attempt_at(bench, progress=lambda *_: None, **fields):
    """Run one at a new job; its folder."""
    request = committed(bench.store, **fields)
    attempt = bench.store.begin_attempt(request.id, "w")
    run_attempt(request, bench.shared, attempt, None, progress)
    return attempt.folder


@pytest.fixture
def on_disk(tmp_path):
    """A slide in a folder of the hospital's, and where a request says that it lies."""
    path = (tmp_path / "slide.svs").resolve()
    path.write_bytes(SLIDE)
    return path, PathSource(path=str(path), files=(path.name,), **source_state([path])._asdict())


OBJECT = ObjectSource(object="s3://slides/case/a.svs", size_bytes=len(SLIDE), etag='"e"', version=None)


# Sources


def test_an_upload_is_read_from_the_jobs_folder_and_known_by_hash(bench, analysis):
    attempt_at(bench)
    assert analysis.read == b"abc"
    assert (analysis.asked.sha256, analysis.asked.size_bytes) == ("0" * 64, 3)


def test_a_slide_given_by_path_is_read_in_place_and_its_hash_is_the_analysis_to_find(bench, analysis, on_disk):
    path, source = on_disk
    attempt_at(bench, source=source)
    assert (analysis.asked.path, analysis.asked.files) == (path, (path,))
    assert analysis.asked.sha256 is None


def test_an_object_is_fetched_and_hashed_and_its_copy_is_gone_in_the_end(bench, analysis):
    attempt_at(bench, source=OBJECT)
    assert (analysis.read, analysis.asked.sha256) == (SLIDE, hashlib.sha256(SLIDE).hexdigest())
    assert not analysis.asked.path.exists()


def test_an_object_store_that_does_not_answer_leaves_no_copy(bench, analysis):
    bench.objects.fetch.side_effect = StorageUnavailableError("It does not answer.")
    with pytest.raises(StorageUnavailableError):
        attempt_at(bench, source=OBJECT)
    assert list(bench.settings.data_dir.glob("fetched/*/*")) == []


def test_the_analysis_is_told_what_was_asked_for(bench, analysis):
    attempt_at(bench, priority="asap", named_tasks=("grading",), organ="colon")
    assert (analysis.asked.urgency, analysis.asked.tasks, analysis.asked.stated.organ) == (1, ("grading",), "colon")


# A slide that does not stay the same


def test_a_slide_that_was_changed_before_the_attempt_is_not_analysed(bench, analysis, on_disk):
    path, source = on_disk
    path.write_bytes(b"another slide")
    with pytest.raises(SourceChangedError):
        attempt_at(bench, source=source)
    assert analysis.asked is None


def test_a_slide_that_is_no_longer_there_is_missing(bench, analysis, on_disk):
    path, source = on_disk
    path.unlink()
    with pytest.raises(SlideMissingError):
        attempt_at(bench, source=source)


def test_of_a_slide_that_was_changed_meanwhile_no_result_is_written(bench, analysis, on_disk):
    path, source = on_disk
    analysis.happens = lambda: path.write_bytes(b"another slide")
    with pytest.raises(SourceChangedError):
        attempt_at(bench, source=source)
    assert list(bench.store.root.glob("*/attempt-1/*")) == []


# Files


def test_results_are_written_and_progress_says_so(bench, analysis):
    told = []
    folder = attempt_at(bench, progress=lambda *step: told.append(step))
    assert {"result.json", "heatmap.png", "embeddings.h5"} <= {path.name for path in folder.iterdir()}
    assert told == [("write", 0, 1), ("write", 1, 1)]


def test_work_that_was_stopped_meanwhile_writes_nothing(bench, analysis):
    def stopped(*_):
        raise CancelledError("Stopped.")

    with pytest.raises(CancelledError):
        attempt_at(bench, progress=stopped)
    assert list(bench.store.root.glob("*/attempt-1/*")) == []


def test_of_a_slide_without_tissue_the_mask_is_kept(bench, analysis):
    def empty():
        raise EmptySlideError(np.zeros((4, 4), np.bool_))

    analysis.happens = empty
    with pytest.raises(EmptySlideError):
        attempt_at(bench)
    assert [path.name for path in bench.store.root.glob("*/attempt-1/*")] == ["tissue_mask.png"]
