"""Shows the calling process no files but its slide and the libraries, on kernels without Landlock (before Linux 5.13).

The process gets a mount namespace, in a user namespace if possible. There it builds a root from bind mounts that are
read-only, moves into it and lets go of the old one. Other processes see nothing of that.
Sources: user_namespaces(7), mount_namespaces(7), mount(2), pivot_root(2).
"""

import ctypes
import os
import platform
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from app.slides.sandbox.readable import libraries, targets
from app.slides.sandbox.real_file import real_files
from app.slides.sandbox.system_calls import REFUSED

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_KEPT = _NOSUID | _NODEV | _NOEXEC
"""Restrictions of a file system, which a bind mount must keep; statvfs(3) has the same bits."""
_DETACH = 2
_ROOT = "/proc"
"""Where the new root is built: a folder that every system has, and no slide lies in."""
_MACHINES = ("x86_64", "aarch64")


class _RefusedError(Exception):
    """The kernel or the container refuses a call."""


def own_namespace() -> bool:
    """Gives the process a mount namespace. False where that is forbidden. Before any thread."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) != 0:
        return bool(libc.unshare(_CLONE_NEWNS) == 0)
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(text)
    except OSError:
        return False
    return True


def show_only(entry: Path, files: Sequence[Path]) -> bool:
    """Hides all files but libraries and the slide of these ``files``, opened by ``entry``. After ``own_namespace``.

    False where the kernel or the container refuses. Raises as ``real_files``.
    """
    try:
        _build(entry, files)
    except _RefusedError:
        os.chdir("/")
        ctypes.CDLL(None).umount2(_ROOT.encode(), _DETACH)
        return False
    return True


def _build(entry: Path, files: Sequence[Path]) -> None:
    _mount(None, "/", _REC | _PRIVATE)
    proc = os.open(_ROOT, os.O_PATH | os.O_CLOEXEC)
    _mount("tmpfs", _ROOT, _NOSUID | _NODEV, kind="tmpfs")
    os.fchdir(proc)  # descriptors are bound by their names there
    os.close(proc)
    for path in sorted({place for library, _ in libraries() for place in (library, library.resolve())}):
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            continue
        try:
            _show(fd, path)
        finally:
            os.close(fd)
    for fd in real_files([entry, *targets(entry, files)]):
        _show(fd, Path(f"self/fd/{fd}").readlink(), _KEPT)
    for link in files:
        if link.is_symlink() and not os.path.lexists(_in_root(link)):
            _in_root(link).symlink_to(link.resolve())
    _move_in()


def _in_root(path: Path) -> Path:
    return Path(f"{_ROOT}{path}")


def _show(fd: int, path: Path, flags: int = 0) -> None:
    """Bind the open file or folder at its own path in the new root, unless a folder above it is there already."""
    place = _in_root(path)
    if os.path.lexists(place):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        place.mkdir()
    else:
        place.touch()
    _mount(f"self/fd/{fd}", str(place), _BIND | _REC)
    _mount(None, str(place), _REMOUNT | _BIND | _RDONLY | flags | os.statvfs(place).f_flag & _KEPT)


def _move_in() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    pivot_root = REFUSED["pivot_root"][_MACHINES.index(platform.machine())]
    os.chdir(_ROOT)
    if libc.syscall(pivot_root, b".", b".") != 0:  # the old root now lies on top of the new one
        raise _RefusedError
    if libc.umount2(b".", _DETACH) != 0:
        raise OSError(ctypes.get_errno(), "the kernel does not let go of the old root")
    os.chdir("/")
    _mount(None, "/", _REMOUNT | _BIND | _RDONLY | _KEPT)


def _mount(source: str | None, target: str, flags: int, kind: str | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    names = (None if name is None else os.fsencode(name) for name in (source, target, kind))
    if libc.mount(*names, ctypes.c_ulong(flags), None) != 0:
        raise _RefusedError
