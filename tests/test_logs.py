"""A reader process has no log of its own: its parent tells what becomes of it, under the ids of job and request."""

import json
import subprocess
import sys

from tests.service import ROOT

KILLED = """
import os, signal, sys
import structlog
from pathlib import Path
from app.errors import DecoderCrashedError
from app.logs import configure_logs
from app.slides.reader import SlideReader
configure_logs("info", "json")
with structlog.contextvars.bound_contextvars(job="a-job", request="a-request"), SlideReader() as reader:
    os.kill(reader.pid, signal.SIGKILL)
    try:
        reader.open(Path(sys.argv[1]))
    except DecoderCrashedError:
        pass
"""


def test_a_readers_death_stands_in_the_log_with_job_and_request(tmp_path):
    slide = tmp_path / "Muster^Maria.svs"
    slide.write_bytes(b"II*\0")
    command = [sys.executable, "-c", KILLED, str(slide)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=True)
    (event,) = [json.loads(line) for line in found.stderr.splitlines()]
    assert "SIGKILL" in event["event"]
    assert (event["job"], event["request"], event["level"]) == ("a-job", "a-request", "warning")
    assert "Muster" not in found.stderr
