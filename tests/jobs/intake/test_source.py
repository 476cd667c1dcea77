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


def request_for(slide: Path):
    source = PathSource(path=str(slide), files=(slide.name,), **source_state([slide])._asdict())
    return make_request(source=source)


@pytest.mark.parametrize("how", ["link", "rename"])
def test_another_file_of_the_same_size_and_time_is_a_change(tmp_path, how):
    slide, other = tmp_path / "s.svs", tmp_path / "other.svs"
    slide.write_bytes(b"public")
    other.write_bytes(b"secret")
    for path in (slide, other):
        os.utime(path, (1, 1))
    request = request_for(slide)
    slide.chmod(0o600)
    check_unchanged(request)
    if how == "link":
        slide.unlink()
        os.link(other, slide)
    else:
        other.rename(slide)
    assert slide.read_bytes() == b"secret" and (slide.stat().st_size, slide.stat().st_mtime) == (6, 1)
    with pytest.raises(SourceChangedError):
        check_unchanged(request)


def test_a_slide_on_a_file_system_without_lasting_numbers_is_judged_by_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr("app.system.inodes._LASTING", frozenset())
    slide = tmp_path / "s.svs"
    slide.write_bytes(b"public")
    request = request_for(slide)
    shutil.copy2(slide, tmp_path / "copy.svs")
    (tmp_path / "copy.svs").rename(slide)
    check_unchanged(request)
    slide.write_bytes(b"changed")
    with pytest.raises(SourceChangedError):
        check_unchanged(request)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_of_the_same_size_and_time_is_a_change(tmp_path, what):
    (tmp_path / "root" / "case").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    slide, secret = tmp_path / "root" / "case" / "s.svs", tmp_path / "outside" / "s.svs"
    slide.write_bytes(b"public")
    secret.write_bytes(b"secret")
    for path in (slide, secret):
        os.utime(path, (1, 1))
    request = request_for(slide)
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
