import hashlib
import subprocess

import pytest

from app.slides.hashing import hash_slide


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
