"""API and worker started apart, as on several machines."""

import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from app.jobs.queue.embedded import ensure_embedded
from tests.service import ROOT, until
from tests.tissue import tissue_slide


@pytest.fixture
def apart(tmp_path):
    """`uvicorn app.main:app` and `xmag worker` against one Redis: (address, uvicorn's process)."""
    server = ensure_embedded(tmp_path / "redis")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XMAG_")} | {
        "XMAG_DATA_DIR": str(tmp_path / "data"),
        "XMAG_MODELS_DIR": str(ROOT / "models"),
        "XMAG_REDIS_URL": server.url,
    }
    log = (tmp_path / "log").open("w+")
    commands = (["uvicorn", "app.main:app", "--port", "0"], ["app.cli", "worker"])
    api, worker = (
        subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=log, stderr=log)
        for command in commands
    )

    def address():
        for word in (tmp_path / "log").read_text().replace('"', " ").split():
            if word.startswith("http://127.0.0.1:"):
                return word
        return None

    until(address, 30)
    yield address(), api
    for process in (api, worker):
        process.terminate()
    assert [process.wait(timeout=30) for process in (api, worker)][1] == 0
    log.close()
    server.stop()


def test_a_job_goes_from_one_to_the_other_and_streams_do_not_hold_up_the_end(apart, tmp_path):
    url, api = apart
    slide = tissue_slide(tmp_path / "slide.svs")
    with httpx.Client(base_url=url, timeout=30) as client:
        until(lambda: client.get("/v2/health/ready").status_code == 200, 30)
        with slide.open("rb") as file:
            job = client.post("/analyze", files={"slide": file}).json()
        until(lambda: client.get(f"/jobs/{job['id']}").json()["state"] == "succeeded", 30)
        long = tissue_slide(tmp_path / "long.svs", side_px=3136)
        with long.open("rb") as file:
            job = client.post("/analyze", files={"slide": file}).json()
        with client.stream("GET", f"/jobs/{job['id']}/events") as stream:
            next(stream.iter_lines())
            asked = time.monotonic()
            api.send_signal(signal.SIGTERM)
            api.wait(timeout=20)
    assert time.monotonic() - asked < 5
