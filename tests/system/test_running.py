"""A key goes to the service that runs, or nowhere."""

import os
import subprocess
import sys

from app.system.running import data_folders
from tests.service import ROOT


def keys(cwd, *arguments, **settings):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XMAG_")} | settings
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "keys", *arguments],
        cwd=cwd, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_running_service_tells_its_data_folder(service):
    assert service.data_dir in data_folders()


def test_no_data_folder_is_made_by_chance_beside_a_running_service(service, tmp_path):
    refused = keys(tmp_path, "create", "lab")
    assert refused.returncode == 2
    assert f"XMAG_DATA_DIR={service.data_dir}" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_data_folder_that_was_named_is_made_and_told(service, tmp_path):
    made = keys(tmp_path, "create", "lab", XMAG_DATA_DIR=str(tmp_path / "mine"))
    assert made.returncode == 0
    assert made.stdout.startswith("xmag_") and made.stdout.count("\n") == 1
    assert f"does not use {tmp_path / 'mine'}" in made.stderr
    assert str(tmp_path / "mine" / "keys.json") in made.stderr
    assert str(tmp_path / "mine" / "keys.json") in keys(tmp_path, "list", XMAG_DATA_DIR=str(tmp_path / "mine")).stderr
