"""Where a slide given by path may lie, and what is said of what cannot be looked at."""

import errno
from pathlib import Path

import pytest

from app.errors import PathNotAllowedError, SlideMissingError, StorageUnavailableError
from app.jobs.source import resolve_source
from app.settings import Settings


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
