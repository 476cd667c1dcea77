import errno
import hashlib
import os
import subprocess

import pytest

from app.errors import CancelledError, NotASlideError, StorageUnavailableError
from app.slides.formats.hashing import hash_slide


def test_a_file_has_its_sha256(tmp_path):
    data = bytes(range(256)) * 10_000
    (tmp_path / "s.svs").write_bytes(data)
    assert hash_slide(tmp_path / "s.svs") == (hashlib.sha256(data).hexdigest(), len(data))


def test_a_folder_is_hashed_as_sha256sum_lists_it(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "größe.dat").write_bytes(b"two")
    (tmp_path / "a.mrxs").write_bytes(b"one")
    command = "find . -type f -printf '%P\\0' | xargs -0 sha256sum | LC_ALL=C sort | sha256sum"
    expected = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert hash_slide(tmp_path) == (expected.split()[0], 6)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        hash_slide(tmp_path / "s.svs")


def test_a_slide_of_several_files_has_one_hash_by_file_and_by_folder(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "Data0000.dat").write_bytes(b"two")
    (tmp_path / "s.mrxs").write_bytes(b"one")
    by_folder = hash_slide(tmp_path)
    assert hash_slide(tmp_path / "s.mrxs") == by_folder
    (tmp_path / "other.txt").write_bytes(b"no part of it")
    assert hash_slide(tmp_path / "s.mrxs") == by_folder
    (tmp_path / "s" / "Data0000.dat").write_bytes(b"TWO")
    assert hash_slide(tmp_path / "s.mrxs") != by_folder


def test_hashing_stops_between_blocks(tmp_path):
    (tmp_path / "s.svs").write_bytes(bytes(5 * 2**20))
    asked = []

    def should_stop() -> bool:
        asked.append(True)
        return len(asked) > 3

    with pytest.raises(CancelledError):
        hash_slide(tmp_path / "s.svs", should_stop)
    assert len(asked) == 4
    assert hash_slide(tmp_path / "s.svs", lambda: False)[1] == 5 * 2**20


def test_a_pipe_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "s.svs")
    with pytest.raises(NotASlideError, match="pipe"):
        hash_slide(tmp_path / "s.svs")
    with pytest.raises(NotASlideError, match="pipe"):
        hash_slide(tmp_path)


def test_storage_that_fails_is_not_the_slides_fault(tmp_path, monkeypatch):
    (tmp_path / "s.svs").write_bytes(b"one")

    def broken(*_: object) -> int:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os, "open", broken)
    with pytest.raises(StorageUnavailableError, match="try again"):
        hash_slide(tmp_path / "s.svs")
