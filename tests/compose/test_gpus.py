"""What of the GPU's worker can be seen without one: whom it refuses, and one container with several workers."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from app.inference.gpu import REQUIREMENT
from tests.compose.stack import ROOT, Stack, free_port, post_path, wait

pytestmark = pytest.mark.timeout(1800)
SEVERAL = """services:
  worker-cpu:
    command: [workers.sh]
    environment: {XMAG_GPUS: "0,1"}
    healthcheck: {test: [CMD, workers.sh, health]}
"""


@pytest.fixture(scope="module")
def image(engine: None) -> str:
    environment = {**os.environ, "XMAG_VERSION": "test", "XMAG_BUILD_NETWORK": "host"}
    subprocess.run([ROOT / "docker" / "build.sh", "gpu"], env=environment, check=True)
    return "xmag-serve/worker-gpu:test"


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ("CUDA=12080", "driver serves CUDA up to 12.8 only"),
        ("CAPABILITY=70", "compute capability 7.0"),
        ("CAPABILITY=100", "compute capability 10.0"),
        ("COUNT=0", "no GPU is visible"),
    ],
)
def test_the_gpu_worker_refuses_what_cuda_13_does_not_run_on(image: str, nvidia_driver: Path, seen: str, told: str):
    command = [
        "docker", "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL",
        "--tmpfs", "/tmp", "--tmpfs", "/data:uid=10001,gid=10001",
        "-v", f"{nvidia_driver}:/driver:ro", "-e", "LD_LIBRARY_PATH=/driver", "-e", seen,
        "-e", "XMAG_DEVICE=cuda", "-e", "XMAG_REDIS_URL=redis://127.0.0.1:1/0", image, "workers.sh",
    ]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 78
    said = json.loads(found.stderr.splitlines()[-1])["reason"]  # the log's last line, whole
    assert told in said
    assert REQUIREMENT in said


def test_several_workers_by_one_setting_end_and_start_together(stack: Stack, tmp_path):
    (tmp_path / "several.yaml").write_text(SEVERAL)
    files = ("compose.yaml", str(tmp_path / "several.yaml"))
    settings = {**stack.settings, "XMAG_HTTPS_PORT": free_port()}
    several = Stack(f"{stack.name}-several", tmp_path, *files, **settings)
    try:
        several.up()
        with several.client() as http:
            before = {worker["name"] for worker in http.get("/v2/health/ready").json()["workers"]}
            assert len(before) == 2
            several.signal_worker("KILL")
            several.up()
            assert several.service("worker-cpu")["RestartCount"] == 1
            after = {worker["name"] for worker in http.get("/v2/health/ready").json()["workers"]}
            assert len(after) == 2
            assert not before & after
            job = wait(http, post_path(http, "fix_cmu1_small_region.svs"))
            assert job["state"] == "succeeded"
    finally:
        several.compose("down", "-v", "-t", "5", check=False)
