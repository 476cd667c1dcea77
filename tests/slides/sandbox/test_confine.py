"""What a decoding process may not do, asked of real processes."""

import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import SlideTooCostlyError
from app.slides.sandbox.confinement import Confined
from app.slides.sandbox.reader import ReaderLimits, SlideReader
from app.slides.sandbox.system_calls import BY_ARGUMENT, REFUSED
from app.slides.types import Extent
from tests.service import ROOT
from tests.slides.make_slide import he_like, write_svs

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}, reason="the filter is Linux's"
)

ATTEMPTS = """
import ctypes, json, os, socket, threading
from app.slides.sandbox.confine import give_up_calls
ours, theirs = socket.socketpair()
print(give_up_calls())
libc = ctypes.CDLL(None, use_errno=True)
def tried(call):
    try:
        call()
        return "open"
    except PermissionError:
        return "refused"
def raw(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
found = {
    "inet": tried(lambda: socket.socket(socket.AF_INET)),
    "inet6": tried(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
    "packet": tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "io_uring": tried(lambda: raw(425, 8, ctypes.create_string_buffer(120))),
    "pidfd_getfd": tried(lambda: raw(438, -1, 0, 0)),
}
thread = threading.Thread(target=lambda: found.update(thread=tried(lambda: socket.socket())))
thread.start(); thread.join()
found["child"] = tried(os.fork)
ours.send(b"x")
found["line to the parent"] = "refused" if theirs.recv(1) != b"x" else "kept"
print(json.dumps(found))
"""


def test_no_socket_can_be_made_by_any_way(tmp_path):
    said = subprocess.run([sys.executable, "-c", ATTEMPTS], cwd=ROOT, capture_output=True, text=True, check=True)
    done, found = said.stdout.splitlines()
    assert done == "True"
    assert found.count("refused") == 8
    assert '"line to the parent": "kept"' in found


def test_the_reader_that_opens_slides_is_cut_off_and_limited(tmp_path):
    path = write_svs(tmp_path / "s.svs", he_like(600, 600, 0.5, [(0.1, 0.1, 0.9, 0.9)]), 0.5, appmag=20)
    with SlideReader(ReaderLimits(memory_bytes=2**31, cpu_s=77)) as reader:
        assert reader.open(path).width == 600
        assert reader.confined() == Confined(True, True, True, True)
        status = Path(f"/proc/{reader.pid}/status").read_text()
        limits = Path(f"/proc/{reader.pid}/limits").read_text()
    assert "\nSeccomp:\t2\n" in status
    assert "\nNoNewPrivs:\t1\n" in status
    rows = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()[1:]}
    assert rows["Max cpu time"] == ["77", "82"]
    assert rows["Max address space"] == [str(2**31)] * 2
    assert rows["Max open files"] == ["256"] * 2
    assert rows["Max file size"] == [str(2**20)] * 2
    assert rows["Max core file size"] == ["0"] * 2


def test_a_decoder_that_burns_its_processor_time_is_ended(tmp_path):
    path = write_svs(tmp_path / "s.svs", he_like(600, 600, 0.5, [(0.1, 0.1, 0.9, 0.9)]), 0.5, appmag=20)
    with SlideReader(ReaderLimits(cpu_s=1)) as reader, pytest.raises(SlideTooCostlyError, match="processor time"):
        reader.open(path)
        for _ in range(50_000):
            reader.region(Extent(0, 0, 600, 600), (600, 600))


ABORTS = """
import os, sys
from app.slides.sandbox.confine import give_up_calls
assert give_up_calls()
os.kill(os.getpid(), 0)
os.abort()
"""


def test_a_decoder_that_aborts_ends_as_one_that_aborts():
    ended = subprocess.run([sys.executable, "-c", ABORTS], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGABRT


HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_calls_have_the_kernels_numbers(machine):
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip("the kernel's headers are not on this machine")
    numbers: dict[str, int] = {}
    for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()):
        numbers.setdefault(name, int(number))
    newer = {"fchmodat2", "setxattrat", "removexattrat", "file_setattr"}
    for name, known in {**REFUSED, **BY_ARGUMENT}.items():
        if name in numbers or name not in newer:
            assert known[list(HEADERS).index(machine)] == numbers.get(name), name
