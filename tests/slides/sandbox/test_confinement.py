"""A reader whose decoder was taken over: what it may still do, tried in a real one, as an ordinary user and as root."""

import os
import platform
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from app.errors import NotASlideError, SourceChangedError
from app.slides.sandbox.channel import Channel
from app.slides.sandbox.confinement import Confined
from app.slides.sandbox.fork_server import environment
from app.slides.sandbox.reader import SlideReader
from tests.service import ROOT
from tests.slides.formats.test_index_file import jpeg, mirax
from tests.slides.make_slide import he_like, write_svs

from .test_landlock import VERSION

NOBODY = 65534
pytestmark = [
    pytest.mark.skipif(VERSION < 1, reason="this kernel has no Landlock"),
    pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="there is no filter for it"),
]

READER = """
import ctypes, dataclasses, errno, fcntl, json, os, resource, subprocess, sys, threading
import openslide
from app.slides import helper_threads
from app.slides.sandbox import confinement
from app.slides.sandbox import landlock
from app.slides.sandbox import reader_main
from app.slides.sandbox import reader_service
line, folder, victim, user, confined = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
libc = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"
CLONE_NEWUSER, CLONE_NEWNS, SIGCHLD = 0x10000000, 0x20000, 17

def raw(x86, arm, *arguments):
    result = libc.syscall(x86 if X86 else arm, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def read(path):
    with open(path, "rb") as file:
        file.read(16)

def make_process(*flags):
    if raw(56, 220, *flags, 0, 0, 0, 0) == 0:
        os._exit(0)

def fork():
    if os.fork() == 0:
        os._exit(0)

def thread():
    started = threading.Thread(target=lambda: None)
    try:
        started.start()
    except RuntimeError as error:
        raise PermissionError(errno.EACCES, "no thread") from error
    started.join()

def print_nothing(_):
    pass

def run_from_memory():
    fd = os.memfd_create("x")
    os.write(fd, b"#!/bin/true\\n")
    subprocess.run([f"/proc/self/fd/{fd}"], pass_fds=(fd,), check=True)

def own_file(call):
    fd = os.open(f"{folder}/slide.svs", os.O_RDONLY)
    try:
        call(fd)
    finally:
        os.close(fd)

def signal_by_pipe():
    reading, _ = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, victim)

def flags_of(fd):
    return fcntl.ioctl(fd, 0x80086601, bytes(8))

def extended_flags_of(fd):
    return fcntl.ioctl(fd, 0x801C581F, bytes(28))

keys = f"{folder}/keys.json"
ALLOWED = {
    "slide": lambda: read(f"{folder}/slide.svs"),
    "library": lambda: read("/etc/ld.so.cache"),
    "helpers": lambda: helper_threads.for_each(print_nothing, range(8)),
    "own limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
}
REFUSED = {
    "keys": lambda: read(keys),
    "file beside": lambda: read(f"{folder}/other.svs"),
    "list of slides": lambda: os.listdir(folder),
    "users": lambda: read("/etc/passwd"),
    "root of disk": lambda: os.listdir("/"),
    "project": lambda: read("README.md"),
    "environment": lambda: read(f"/proc/{victim}/environ"),
    "maps": lambda: read(f"/proc/{victim}/maps"),
    "command line": lambda: read(f"/proc/{victim}/cmdline"),
    "parent": lambda: read(f"/proc/{os.getppid()}/environ"),
    "processes": lambda: os.listdir("/proc"),
    "write": lambda: open(keys, "ab"),
    "make": lambda: open(f"{folder}/new", "xb"),
    "truncate": lambda: os.truncate(keys, 1),
    "link": lambda: os.link(keys, f"{folder}/linked"),
    "rename": lambda: os.rename(f"{folder}/other.svs", f"{folder}/moved.svs"),
    "chmod": lambda: os.chmod(keys, 0o644),
    "fchmod": lambda: own_file(lambda fd: os.chmod(fd, 0o644)),
    "chown": lambda: os.chown(keys, user, user),
    "utime": lambda: os.utime(keys, (1, 1)),
    "attribute": lambda: os.setxattr(keys, "user.a", b"b"),
    "flags": lambda: own_file(lambda fd: fcntl.ioctl(fd, 0x40086602, flags_of(fd))),
    "extended flags": lambda: own_file(lambda fd: fcntl.ioctl(fd, 0x401C5820, extended_flags_of(fd))),
    "lease": lambda: own_file(lambda fd: fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)),
    "no attribute": lambda: os.removexattr(keys, "user.there"),
    "run": lambda: subprocess.run(["/bin/true"], check=True),
    "run from memory": run_from_memory,
    "thread": thread,
    "thread of a helper": lambda: helper_threads.helpers().submit(thread).result(30),
    "fork": fork,
    "clone": lambda: make_process(SIGCHLD),
    "user namespace by clone": lambda: make_process(SIGCHLD | CLONE_NEWUSER),
    "user namespace": lambda: raw(272, 97, CLONE_NEWUSER),
    "mount namespace": lambda: raw(272, 97, CLONE_NEWNS),
    "signal": lambda: os.kill(victim, 0),
    "signal to group": lambda: os.kill(0, 0),
    "signal by pipe": signal_by_pipe,
    "limit": lambda: resource.prlimit(victim, resource.RLIMIT_NOFILE, (64, 64)),
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, victim, 5),
    "scheduler": lambda: os.sched_setscheduler(victim, os.SCHED_IDLE, os.sched_param(0)),
    "affinity": lambda: os.sched_setaffinity(victim, os.sched_getaffinity(0)),
    "disk priority": lambda: raw(251, 30, 1, victim, 3 << 13),
    "pidfd": lambda: os.pidfd_open(victim),
    "ptrace": lambda: raw(101, 117, 16, victim, 0, 0),
    "memory": lambda: raw(310, 270, victim, 0, 0, 0, 0, 0),
    "socket": lambda: libc.socket(2, 1, 0) >= 0 or raw(41, 198, 2, 1, 0),
    "socketpair": lambda: raw(53, 199, 1, 1, 0, ctypes.create_string_buffer(8)),
    "io_uring": lambda: raw(425, 425, 8, ctypes.create_string_buffer(120)),
    "keyring": lambda: raw(250, 219, 0, -3, 0),
    "key": lambda: raw(248, 217, b"user", b"a", b"b", 1, -3),
    "shared memory": lambda: raw(29, 194, 0, 4096, 0o1666),
    "watch": lambda: raw(294, 26, 0),
    "bpf": lambda: raw(321, 280, 0, 0, 0),
    "mount": lambda: raw(165, 40, b"none", folder.encode(), b"tmpfs", 0, 0),
    "chroot": lambda: os.chroot(folder),
}

def tried(call):
    try:
        call()
    except OSError as error:
        return "refused" if error.errno in {errno.EACCES, errno.EPERM, errno.ENOSYS} else os.strerror(error.errno)
    except subprocess.SubprocessError:
        return "refused"
    return "open"

def taken_over(path):
    told = {name: tried(call) for name, call in {**ALLOWED, **REFUSED}.items()}
    status.seek(0)
    told["capabilities"] = [line.split()[1] for line in status if line.startswith("Cap")]
    told["done"] = list(dataclasses.astuple(CONFINED[0].done)) if CONFINED else []
    told["names"] = os.listdir(folder) if CONFINED and told["list of slides"] == "open" else []
    os.write(int(line), json.dumps(told).encode() + b"\\n")
    os._exit(0)

class Nothing:
    done = confinement.Confined(False, False, False, False)
    to_slide = lambda self, *_: None
    wait_for_request = lambda self, _: True

if user:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    libc.prctl(4, 1, 0, 0, 0)  # dumpable, as a process is that was started as this user
status = open("/proc/self/status")
CONFINED = []
if confined == "no":
    confinement.Confinement = Nothing
else:
    class Confinement(confinement.Confinement):
        def __init__(self):
            super().__init__()
            CONFINED.append(self)
    confinement.Confinement = Confinement
if confined == "by mounts":
    landlock._version = lambda: 0
openslide.OpenSlide = taken_over
reader_main.be_reader(int(line), 2**32, 60)
"""


@contextmanager
def place_of(user: int):
    """A folder that ``user`` owns, and can reach."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="xmag-test-"))
    try:
        for name in ("slide.svs", "other.svs", "keys.json"):
            (folder / name).write_bytes(b"II*\0" + bytes(100))
        os.setxattr(folder / "keys.json", "user.there", b"x")
        if user:
            for path in (folder, *folder.iterdir()):
                os.chown(path, user, user)
        yield folder
    finally:
        shutil.rmtree(folder)


def told_by_reader(user: int, confined: str) -> dict[str, str | list[str]]:
    """What a decoder of ``user`` (0: of who runs the test) could do that took its reader over."""
    become = {"user": user, "group": user, "extra_groups": []} if user else {}
    ours, theirs = socket.socketpair()
    with (
        place_of(user) as folder,
        ours,
        theirs,
        subprocess.Popen(["/bin/sleep", "60"], env={"SECRET": "x"}, **become) as victim,
    ):
        arguments = [str(theirs.fileno()), str(folder), str(victim.pid), str(user), confined]
        command = [sys.executable, "-c", READER, *arguments]
        how = {"cwd": ROOT, "pass_fds": (theirs.fileno(),), "stdin": subprocess.PIPE, "env": environment()}
        with subprocess.Popen(command, **how) as reader:
            channel = Channel(ours)
            channel.send({"op": "open", "path": str(folder / "slide.svs"), "mpp": None})
            try:
                return channel.receive(60)
            finally:
                reader.kill()
                victim.kill()


USERS = [pytest.param(NOBODY, id="user"), pytest.param(0, id="root")] if os.geteuid() == 0 else [0]
ALLOWED = {"slide", "library", "helpers", "own limit"}
NEEDS_LUCK = {"watch", "keyring", "key", "shared memory", "bpf", "io_uring", "memory", "ptrace", "mount", "chroot"}
NEEDS_LUCK |= {"mount namespace", "user namespace", "user namespace by clone", "parent", "run from memory"}
"""What a container, a setting of the kernel or an ordinary user's rights may refuse by themselves."""


@pytest.mark.parametrize("user", USERS)
def test_a_decoder_that_was_taken_over_reads_its_slide_and_does_nothing_else(user):
    told = told_by_reader(user, "yes")
    assert told.pop("names") == [] and told.pop("done") == [True] * 4
    assert set(told.pop("capabilities")) == (
        {"0000000000000000"} if os.geteuid() == 0 and not user else _bounding(told)
    )
    assert {name for name, answer in told.items() if answer == "open"} == ALLOWED
    assert set(told.values()) == {"open", "refused"}, told


def _bounding(_: object) -> set[str]:
    """Of an ordinary user, who may not change it: what may be gained by running a program, which is refused."""
    bounding = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in line)
    return {"0000000000000000", bounding}


@pytest.mark.parametrize("user", USERS)
def test_without_landlock_a_mount_namespace_hides_all_but_the_slide(user):
    told = told_by_reader(user, "by mounts")
    if not told.pop("done")[0]:
        pytest.skip("neither user nor mount namespaces are allowed here")
    assert told.pop("names") == ["slide.svs"]
    assert set(told.pop("capabilities")) == {"0000000000000000"}
    # The folders above the slide can be listed: they hold the way to it, and no more.
    assert {name for name, answer in told.items() if answer == "open"} == ALLOWED | {"list of slides", "root of disk"}
    assert set(told.values()) == {"open", "refused", "No such file or directory", "Read-only file system"}, told


@pytest.mark.parametrize("user", USERS)
def test_without_confinement_the_same_decoder_does_it(user):
    told = told_by_reader(user, "no")
    for key in ("capabilities", "done", "names"):
        told.pop(key)
    assert {name for name, answer in told.items() if answer != "open"} <= NEEDS_LUCK, told


def test_a_reader_says_what_was_taken_from_it(tmp_path):
    slide = write_svs(tmp_path / "s.svs", he_like(600, 600, 0.5, [(0.1, 0.1, 0.9, 0.9)]), 0.5, appmag=20)
    with SlideReader() as reader:
        assert reader.confined() == Confined(reading=False, files=True, calls=True, capabilities=True)
        reader.open(slide)
        assert reader.confined() == Confined(True, True, True, True)


def test_each_slide_has_a_process_of_its_own(tmp_path):
    pixels = np.full((300, 300, 3), 200, np.uint8)
    slides = [write_svs(tmp_path / f"{name}.svs", pixels, 0.5) for name in "ab"]
    with SlideReader() as reader:
        pids = []
        for slide in (*slides, slides[0]):
            assert reader.open(slide).width == 300
            pids.append(reader.pid)
        assert len(set(pids)) == 3
        assert all(not Path(f"/proc/{pid}").exists() for pid in pids[:2])


def test_all_files_of_a_slide_of_many_are_read(tmp_path):
    slide = mirax(tmp_path, b"Data0000.dat")
    (tmp_path / "x" / "Data0000.dat").write_bytes(jpeg())
    (tmp_path / "unreadable").mkdir()
    with SlideReader() as reader:
        assert reader.open(slide).vendor == "mirax"
        assert reader.open(tmp_path).vendor == "mirax"


@pytest.mark.parametrize("where", ["file", "folder", "above"])
def test_a_path_through_a_link_is_refused(tmp_path, where):
    (tmp_path / "outside" / "inner").mkdir(parents=True)
    slide = write_svs(tmp_path / "outside" / "inner" / "s.svs", np.full((300, 300, 3), 200, np.uint8), 0.5)
    links = {"file": "inner/link.svs", "folder": "link", "above": "../link"}
    targets = {"file": slide, "folder": slide.parent, "above": slide.parents[1]}
    link = tmp_path / "outside" / links[where]
    link.symlink_to(targets[where])
    path = {"file": link, "folder": link / "s.svs", "above": tmp_path / "link" / "inner" / "s.svs"}[where]
    assert path.is_file()
    with SlideReader() as reader:
        with pytest.raises(SourceChangedError):
            reader.open(path)
        assert reader.open(slide).width == 300


SWAPPED = """
import os, stat, sys
import openslide
from app.slides.sandbox import confinement
from app.slides.sandbox import reader_main
path, kind = sys.argv[2], sys.argv[3]
class Confinement(confinement.Confinement):
    def to_slide(self, *of):
        super().to_slide(*of)
        os.write(int(sys.argv[1]), b'{"op": "checked"}\\n')
        while stat.S_IFMT(os.lstat(path).st_mode) != int(kind):
            pass
confinement.Confinement = Confinement
reader_main.be_reader(int(sys.argv[1]), 2**32, 60)
"""


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFLNK], ids=["pipe", "link"])
def test_a_file_that_is_swapped_after_the_check_is_not_opened(tmp_path, kind):
    pixels = np.full((300, 300, 3), 200, np.uint8)
    slide = write_svs(tmp_path / "s.svs", pixels, 0.5)
    outside = write_svs(tmp_path / "outside.svs", pixels, 0.5)
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", SWAPPED, str(theirs.fileno()), str(slide), str(kind)]
    with (
        ours,
        theirs,
        subprocess.Popen(command, cwd=ROOT, pass_fds=(theirs.fileno(),), stdin=subprocess.PIPE) as reader,
    ):
        channel = Channel(ours)
        channel.send({"op": "open", "path": str(slide), "mpp": None})
        assert channel.receive(20) == {"op": "checked"}
        other = tmp_path / "other"
        os.mkfifo(other) if kind == stat.S_IFIFO else other.symlink_to(outside)
        other.replace(slide)
        answer = channel.receive(20)
        reader.kill()
    assert (answer["op"], answer["code"]) == ("error", "storage_unavailable")


def test_a_file_that_no_decoder_knows_is_refused_in_confinement_too(tmp_path):
    (tmp_path / "s.svs").write_text("text")
    with SlideReader() as reader:
        with pytest.raises(NotASlideError):
            reader.open(tmp_path / "s.svs")
        assert reader.confined().reading
