"""docker/workers.sh with a stand-in for `xmag`: one process for each GPU of XMAG_GPUS, and all end together."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service import ROOT

# Says what it was given; ends at a file's word, or at SIGTERM, of which it writes down every one.
XMAG = """#!/bin/bash
me=$FOLDER/gpu$CUDA_VISIBLE_DEVICES
trap 'echo TERM >> $me.signals; ended=yes' TERM
echo "$@ $CUDA_DEVICE_ORDER" > $me.new && mv $me.new $me.started
until [ -n "${ended:-}" ]; do [ ! -e "$me.fail" ] || exit 78; sleep 0.05; done
sleep 0.3
exit 0
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    (tmp_path / "xmag").write_text(XMAG)
    (tmp_path / "python").write_text('#!/bin/bash\necho "$@"\n')
    for program in ("xmag", "python"):
        (tmp_path / program).chmod(0o755)
    started = []

    def run(gpus: str, *arguments: str) -> "subprocess.Popen[str]":
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "FOLDER": str(tmp_path),
            "XMAG_GPUS": gpus,
        }
        command = [str(ROOT / "docker" / "workers.sh"), *arguments]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        process.terminate()
        process.communicate(timeout=20)


def appear(*files: Path) -> None:
    deadline = time.monotonic() + 20
    while not all(file.exists() for file in files):
        assert time.monotonic() < deadline, files
        time.sleep(0.02)


@pytest.mark.parametrize(("gpus", "numbers"), [("0,2", "02"), ("1, 3", "13"), ("0", "0"), ("", "0")])
def test_every_gpu_has_one_worker_that_sees_no_other(start, tmp_path, gpus, numbers):
    start(gpus)
    appear(*(tmp_path / f"gpu{n}.started" for n in numbers))
    assert len(list(tmp_path.glob("*.started"))) == len(numbers)
    assert (tmp_path / f"gpu{numbers[-1]}.started").read_text() == "worker PCI_BUS_ID\n"


def test_a_stop_reaches_every_worker_once_and_waits_for_them(start, tmp_path):
    script = start("0,1")
    appear(tmp_path / "gpu0.started", tmp_path / "gpu1.started")
    script.send_signal(signal.SIGTERM)
    script.send_signal(signal.SIGTERM)
    script.wait(timeout=20)
    assert [(tmp_path / f"gpu{n}.signals").read_text() for n in "01"] == ["TERM\n", "TERM\n"]


def test_when_one_ends_all_end_with_its_exit_code(start, tmp_path):
    script = start("0,1")
    appear(tmp_path / "gpu0.started", tmp_path / "gpu1.started")
    (tmp_path / "gpu1.fail").touch()
    assert script.wait(timeout=20) == 78
    assert (tmp_path / "gpu0.signals").read_text() == "TERM\n"


def test_health_asks_for_as_many_workers_as_there_are_gpus(start):
    said, _ = start("0,1,5", "health").communicate(timeout=20)
    assert said == "-I -m app.run.health worker 3\n"


def test_doctor_is_run_for_each_gpu_and_one_bad_gpu_shows_in_the_exit_code(start, tmp_path):
    (tmp_path / "xmag").write_text('#!/bin/bash\necho "$1 $CUDA_VISIBLE_DEVICES"\n[ "$CUDA_VISIBLE_DEVICES" != 1 ]\n')
    script = start("0,1,MIG-7f", "doctor")
    said, _ = script.communicate(timeout=20)
    assert said.split("\n")[:-1] == ["GPU 0", "doctor 0", "GPU 1", "doctor 1", "GPU MIG-7f", "doctor MIG-7f"]
    assert script.returncode == 1
