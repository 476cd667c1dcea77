"""Start a Python process, wait until a file is there, end it as a power cut would."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def run_until_killed(arguments: list[str], when: Callable[[], bool], within_s: float = 100.0) -> None:
    """SIGKILL for `python <arguments>` as soon as ``when()``; it must not have ended before."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen([sys.executable, "-W", "ignore", *arguments], env=environment)
    try:
        deadline = time.monotonic() + within_s
        while not when():
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "nothing to kill it at"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL
