"""A bundle is made, carried over and installed, and the service starts from it with nothing else."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.compose.stack import ROOT, Stack, free_port, post_path, wait

pytestmark = pytest.mark.timeout(1800)
IMAGES = [f"xmag-serve/{name}:test" for name in ("api", "proxy", "worker-cpu")]


@pytest.fixture(scope="module")
def bundle(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked bundle. The images are no longer known to the engine by name."""
    folder = tmp_path_factory.mktemp("bundle")
    environment = {**os.environ, "XMAG_VERSION": "test", "XMAG_BUILD_NETWORK": "host"}
    subprocess.run([ROOT / "docker" / "bundle.sh", "cpu", folder], env=environment, check=True)
    subprocess.run(["sha256sum", "--check", "xmag-test-cpu.tar.sha256"], cwd=folder, check=True)
    subprocess.run(["tar", "-xf", "xmag-test-cpu.tar"], cwd=folder, check=True)
    (folder / "xmag-test-cpu.tar").unlink()
    stack.compose("down")
    subprocess.run(["docker", "rmi", "-f", *IMAGES], check=True, capture_output=True)
    return folder / "xmag-test"


def test_a_damaged_bundle_is_refused(bundle: Path, tmp_path: Path):
    shutil.copytree(bundle, tmp_path / "bundle")
    model = next((tmp_path / "bundle" / "models").glob("*/student.onnx"))
    model.write_bytes(model.read_bytes()[:-1])
    load = subprocess.run([tmp_path / "bundle" / "load.sh", tmp_path / "target"], capture_output=True, check=False)
    assert load.returncode == 1
    assert b"copy it again" in load.stderr
    assert list((tmp_path / "target").iterdir()) == []


def test_the_service_starts_from_a_bundle_and_an_upgrade_keeps_its_settings(bundle: Path, stack: Stack, tmp_path: Path):
    target = tmp_path / "xmag"
    subprocess.run([bundle / "load.sh", target], check=True)
    assert "COMPOSE_PROFILES=cpu\n" in (target / ".env").read_text()
    (target / ".env").write_text(f"COMPOSE_PROFILES=cpu\nXMAG_HTTPS_PORT={free_port()}\n")
    subprocess.run([bundle / "load.sh", target], check=True)
    kept = dict(line.split("=", 1) for line in (target / ".env").read_text().splitlines())
    carried = Stack(
        f"{stack.name}-carried", tmp_path, root=target,
        XMAG_HTTPS_PORT=kept["XMAG_HTTPS_PORT"], XMAG_SLIDES=stack.settings["XMAG_SLIDES"],
    )  # fmt: skip
    try:
        carried.up("--no-build", "--pull", "never")
        with carried.client() as http:
            assert wait(http, post_path(http, "fix_cmu1_small_region.svs"))["state"] == "succeeded"
    finally:
        carried.compose("down", "-v", "-t", "5", check=False)
