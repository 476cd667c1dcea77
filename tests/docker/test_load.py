"""docker/load.sh with a stand-in for `docker`: what a bundle brings at first, and what an upgrade leaves alone."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service import ROOT

TOP = ("compose.yaml", ".env.example", "README.md", "LICENSE", "docs/operations.md", "docker/share-redis.yaml")


@pytest.fixture
def load(tmp_path: Path):
    """The script of an unpacked bundle of one file for each part, into ``tmp_path``'s target."""
    bundle = tmp_path / "bundle"
    for name in (*TOP, "models/demo/manifest.json", "env.first"):
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text("new")
    (bundle / "images.tar.gz").write_bytes(gzip.compress(b"images"))
    shutil.copy(ROOT / "docker" / "load.sh", bundle)
    sums = "find . -type f -print0 | xargs -0 sha256sum > ../sums && mv ../sums SHA256SUMS"
    subprocess.run(sums, shell=True, cwd=bundle, check=True)
    (tmp_path / "docker").write_text(f"#!/bin/sh\ncat > {tmp_path}/loaded\n")
    (tmp_path / "docker").chmod(0o755)

    def run() -> str:
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = [bundle / "load.sh", tmp_path / "target"]
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout

    return run


def test_a_first_installation_has_everything(load, tmp_path):
    load()
    assert (tmp_path / "loaded").read_bytes() == b"images"
    for name in (*TOP, "models/demo/manifest.json", ".env"):
        assert (tmp_path / "target" / name).read_text() == "new"


def test_an_upgrade_keeps_settings_and_the_hospitals_own_models_and_no_others(load, tmp_path):
    target = tmp_path / "target"
    (target / "models" / "own").mkdir(parents=True)
    for name in (".env", "compose.yaml"):
        (target / name).write_text("old")
    said = load()
    assert ((target / ".env").read_text(), (target / "compose.yaml").read_text()) == ("old", "new")
    assert [folder.name for folder in (target / "models").iterdir()] == ["own"]
    assert "models is kept" in said
    assert "COMPOSE_FILE" in said
