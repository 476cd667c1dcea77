"""docker/first-key.sh with the real `xmag`: what is made at the first start, and what is said where it cannot be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import ROOT


@pytest.fixture
def run(tmp_path: Path):
    """The script on ``tmp_path``'s data and keys, which are made here."""
    (tmp_path / "xmag").write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m app.cli "$@"\n')
    (tmp_path / "xmag").chmod(0o755)
    (tmp_path / "data").mkdir()
    (tmp_path / "keys").mkdir()

    def first_key(data: Path = tmp_path / "data") -> "subprocess.CompletedProcess[str]":
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "XMAG_DATA_DIR": str(data),
        }
        command = [ROOT / "docker" / "first-key.sh", tmp_path / "keys"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return first_key


def test_the_first_start_makes_two_keys_and_the_second_none(run, tmp_path):
    assert run().returncode == 0
    assert (tmp_path / "keys" / "first").read_text().startswith("xmag_")
    made = (tmp_path / "data" / "keys.json").read_text()
    scopes = {key["name"]: (key["tenant"], key["scopes"]) for key in json.loads(made)}
    assert scopes == {"first": ("default", ["submit", "read"]), "monitoring": ("monitoring", ["read"])}
    again = run()
    assert (again.returncode, again.stderr) == (0, "")
    assert (tmp_path / "data" / "keys.json").read_text() == made
    assert sorted(file.name for file in (tmp_path / "data").iterdir() if file.name.startswith(".")) == []


def test_a_data_folder_that_cannot_be_written_is_named_with_what_to_do_and_no_key_is_lost(run, tmp_path):
    assert run().returncode == 0
    kept = {file.name: file.read_text() for file in (tmp_path / "keys").iterdir()}
    for wrong in (tmp_path / "missing", Path("/proc/self")):  # /proc can be listed, and not even root writes there
        found = run(wrong)
        assert found.returncode == 78
        assert "chown -R 10001:10001" in found.stderr
        assert len(found.stderr.splitlines()) == 2  # the system's reason comes before the advice
    assert {file.name: file.read_text() for file in (tmp_path / "keys").iterdir()} == kept


def test_what_keeps_a_key_from_being_made_is_said(run, tmp_path):
    (tmp_path / "data" / "keys.json").write_text("not JSON")
    found = run()
    assert found.returncode == 78
    assert "keys.json in the data folder is damaged" in found.stderr
