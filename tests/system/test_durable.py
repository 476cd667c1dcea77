"""Locks between processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.system.durable import locked, take_lock

HOLD = "import sys, pathlib\nfrom app.system.durable import take_lock\nfile = pathlib.Path(sys.argv[1]).open('ab')\n"
HOLD += "take_lock(file)\nprint('held', flush=True)\nsys.stdin.read()"


def test_one_process_holds_a_lock_and_its_end_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with locked(path, wait=False) as is_held:
            assert not is_held
        other.kill()
        other.wait()
    with locked(path, wait=False) as is_held:
        assert is_held


def test_the_end_of_the_block_frees_it(tmp_path: Path) -> None:
    with locked(tmp_path / "lock") as is_held, (tmp_path / "lock").open("ab") as again:
        assert is_held
        assert not take_lock(again, wait=False)
    with locked(tmp_path / "lock", wait=False) as is_held:
        assert is_held


def test_what_the_file_holds_stays(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("17")
    with locked(tmp_path / "lock"), locked(tmp_path / "other"):
        pass
    assert (tmp_path / "lock").read_text() == "17"


def test_a_file_that_is_not_to_be_made_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked(tmp_path / "lock", make=False):
        pass
    assert not (tmp_path / "lock").exists()


def test_an_error_inside_the_block_is_not_taken_for_a_lock(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), locked(tmp_path / "lock", wait=False):
        raise BlockingIOError
