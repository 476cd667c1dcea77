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
from app.system.logs import configure_logs
from app.slides.sandbox.reader import SlideReader
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
    assert event["event"] == "reader.died" and "SIGKILL" in event["cause"]
    assert (event["job"], event["request"], event["level"]) == ("a-job", "a-request", "warning")
    assert "Muster" not in found.stderr


HOSTILE = """
import logging
import structlog
from app.system.logs import configure_logs
configure_logs("info", "text")
said = "dead\\n2026-01-01 [info] a forged line\\x1b[2J\\x9b2J\\r\\u202eend"
logging.getLogger("a").warning("died: %s", said)
structlog.stdlib.get_logger("b").warning("failed", reason=said)
try:
    raise ValueError
except ValueError:
    logging.getLogger("c").exception("unforeseen")
"""


def test_what_a_slide_makes_a_decoder_say_forges_no_line_of_a_text_log():
    found = subprocess.run([sys.executable, "-c", HOSTILE], cwd=ROOT, capture_output=True, timeout=90, check=True)
    lines = found.stderr.decode().split("\n")
    assert sum("a forged line" in line for line in lines) == 2
    assert all("died: dead" in line or "reason=" in line for line in lines if "a forged line" in line)
    assert all(character.isprintable() for line in lines for character in line)
    assert any("Traceback" in line for line in lines) and len(lines) > 4
