"""What a process that is shut in may not do to files and to other processes, asked of real ones."""

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import ROOT

YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
VERSION = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) if sys.platform == "linux" else 0
pytestmark = [
    pytest.mark.skipif(VERSION < 1, reason="this kernel has no Landlock"),
    pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="there is no setpriv here"),
]

ATTEMPTS = """
import json, os, signal, subprocess, sys
from app.slides.sandbox.landlock import shut_in
parent, folder, address = int(sys.argv[1]), sys.argv[2], int(sys.argv[3], 16)

def look_into(what):
    with open(f"/proc/{parent}/{what}", "rb", buffering=0) as file:
        file.seek(address if what == "mem" else 0)
        return file.read(16)

def write(name):
    with open(f"{folder}/{name}", "ab") as file:
        file.write(b"x")

attempts = {
    "read": lambda: open(f"{folder}/there").read(),
    "memory": lambda: look_into("mem"),
    "environment": lambda: look_into("environ"),
    "open files": lambda: os.readlink(f"/proc/{parent}/fd/0"),
    "signal": lambda: os.kill(parent, 0),
    "change": lambda: write("there"),
    "make": lambda: write("new"),
    "folder": lambda: os.mkdir(f"{folder}/folder"),
    "link": lambda: os.symlink("/", f"{folder}/link"),
    "remove": lambda: os.unlink(f"{folder}/there"),
    "run": lambda: subprocess.run(["/bin/true"], check=True),
}

def tried(call):
    try:
        call()
    except PermissionError:
        return "refused"
    return "open"

if sys.argv[4] == "shut":
    assert shut_in()
print(json.dumps({name: tried(call) for name, call in attempts.items()}))
"""


PARENT = """
import ctypes, os, subprocess, sys
secret = ctypes.create_string_buffer(b"a key, in memory")
arguments = [str(os.getpid()), sys.argv[1], hex(ctypes.addressof(secret)), sys.argv[2]]
subprocess.run([sys.executable, "-c", sys.argv[3], *arguments], check=True)
"""
# As in a container: a root with capabilities sees into every process.
WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def attempt(folder, how: str) -> dict[str, str]:
    (folder / "there").write_text("text")
    command = [*WITHOUT_CAPABILITIES, sys.executable, "-c", PARENT, str(folder), how, ATTEMPTS]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(json.loads(said.stdout))


def test_nothing_is_written_or_run_and_the_parent_is_not_seen_into(tmp_path):
    found = attempt(tmp_path, "shut")
    assert found.pop("read") == "open"
    if VERSION < 6:
        assert found.pop("signal") == "open"
    assert set(found.values()) == {"refused"}, found
    assert sorted(tmp_path.iterdir()) == [tmp_path / "there"]


def test_without_it_the_same_attempts_succeed(tmp_path):
    found = attempt(tmp_path, "open")
    if YAMA.exists() and YAMA.read_text().strip() != "0":
        assert found.pop("memory") == "refused"  # this machine lets no child look into its parent's memory at all
    assert set(found.values()) == {"open"}, found


READER = """
import os, sys, types
from app.slides.sandbox import reader_main
def serve(sock, confinement):
    assert confinement.done.files
    for path in (sys.argv[4], f"/proc/{os.getppid()}/mem"):
        try:
            open(path, "r+b")
            sock.send(b"open,")
        except PermissionError:
            sock.send(b"refused,")
service = types.ModuleType("app.slides.sandbox.reader_service")
service.serve = serve  # a decoder that a hostile slide took over
sys.modules["app.slides.sandbox.reader_service"] = service
reader_main.main()
"""


def test_a_reader_is_shut_in_before_it_meets_a_slide(tmp_path):
    (tmp_path / "there").touch()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        arguments = [str(theirs.fileno()), str(2**32), "60", str(tmp_path / "there")]
        command = [sys.executable, "-c", READER, *arguments]
        with subprocess.Popen(command, cwd=ROOT, pass_fds=(theirs.fileno(),), stdin=subprocess.PIPE) as child:
            theirs.close()
            said = b"".join(iter(lambda: ours.recv(100), b""))
    assert (said, child.returncode) == (b"refused,refused,", 0)
