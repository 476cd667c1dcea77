"""Settings that would open too much, or nothing, are refused where they are read."""

import pytest
from pydantic import ValidationError

from app.settings import Settings


def test_object_roots_are_split_by_commas_and_written_one_way(monkeypatch):
    monkeypatch.setenv("XMAG_OBJECT_ROOTS", " s3://slides/2026/ , s3://archive,")
    assert Settings().object_roots == ("s3://slides/2026", "s3://archive")


@pytest.mark.parametrize(
    "wrong",
    [
        {"object_roots": ("s3://",)},
        {"object_roots": ("slides",)},
        {"object_roots": ("s3://slides/../other",)},
        {"object_endpoint": "s3.hospital.example"},
        {"object_endpoint": "ftp://s3.hospital.example"},
        {"object_endpoint": "https://key:secret@s3.hospital.example"},
        {"object_ca_file": "/none.pem"},
        {"object_patience_s": 0},
        {"redis_url": "http://redis"},
        {"redis_url": "redis://:pass/word@redis:6379/0"},
        {"redis_url": "redis://:1234/word@redis:6379/0"},
        {"redis_url": "redis://:pass#word@redis"},
        {"redis_url": "redis://:pass?word@redis"},
    ],
)
def test_what_could_not_work_is_refused(wrong):
    with pytest.raises(ValidationError):
        Settings(**wrong)


@pytest.mark.parametrize(
    "name", ["slide_roots", "callback_hosts", "object_roots", "trusted_proxies", "oidc_algorithms"]
)
def test_a_list_in_json_is_refused_and_not_taken_for_one_odd_name(monkeypatch, name):
    monkeypatch.setenv(f"XMAG_{name.upper()}", '["/slides", "/archive"]')
    with pytest.raises(ValidationError, match="not JSON"):
        Settings()


def test_folders_are_split_at_colons(monkeypatch, tmp_path):
    monkeypatch.setenv("XMAG_SLIDE_ROOTS", f"{tmp_path}/a:{tmp_path}/b c:")
    assert Settings().slide_roots == (tmp_path / "a", tmp_path / "b c")


@pytest.mark.parametrize(
    "url", ["redis://:pass%2Fword@redis:6379/0", "rediss://redis", "redis:///0", "unix:///run/redis.sock"]
)
def test_addresses_of_a_queue(url):
    assert Settings(redis_url=url).redis_url == url
