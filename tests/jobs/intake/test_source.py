"""Where a slide given by path may lie, and what is said of what cannot be looked at."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from app.errors import PathNotAllowedError, SlideMissingError, SourceChangedError, StorageUnavailableError
from app.jobs.intake.source import check_unchanged, resolve_source, source_state
from app.records.record import PathSource
from app.settings import Settings
from tests.jobs.requests import make_request


@pytest.fixture
def settings(tmp_path) -> Settings:
    (tmp_path / "slides").mkdir()
    return Settings(data_dir=tmp_path / "data", slide_roots=(tmp_path / "slides",))


def test_a_name_that_no_file_can_have_is_missing(settings, tmp_path):
    with pytest.raises(SlideMissingError):
        resolve_source(str(tmp_path / "slides" / ("x" * 300)), settings)


def test_links_in_a_circle_lead_to_nothing(settings, tmp_path):
    (tmp_path / "slides" / "a").symlink_to(tmp_path / "slides" / "b")
    (tmp_path / "slides" / "b").symlink_to(tmp_path / "slides" / "a")
    with pytest.raises((SlideMissingError, StorageUnavailableError)):
        resolve_source(str(tmp_path / "slides" / "a"), settings)


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EACCES, PathNotAllowedError), (errno.ESTALE, StorageUnavailableError)]
)
def test_a_share_that_refuses_is_told_apart_from_one_that_is_away(settings, tmp_path, monkeypatch, number, error):
    def refuses(_):
        raise OSError(number, "no")

    monkeypatch.setattr(Path, "exists", refuses)
    with pytest.raises(error):
        resolve_source(str(tmp_path / "slides" / "a.svs"), settings)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_of_the_same_size_and_time_is_a_change(tmp_path, what):
    (tmp_path / "root" / "case").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    slide, secret = tmp_path / "root" / "case" / "s.svs", tmp_path / "outside" / "s.svs"
    slide.write_bytes(b"public")
    secret.write_bytes(b"secret")
    for path in (slide, secret):
        os.utime(path, (1, 1))
    size_bytes, mtime_ns = source_state([slide])
    request = make_request(
        source=PathSource(path=str(slide), size_bytes=size_bytes, mtime_ns=mtime_ns, files=("s.svs",))
    )
    check_unchanged(request)
    if what == "file":
        slide.unlink()
        slide.symlink_to(secret)
    else:
        shutil.rmtree(slide.parent)
        slide.parent.symlink_to(secret.parent)
    assert slide.read_bytes() == b"secret"
    with pytest.raises(SourceChangedError):
        check_unchanged(request)
