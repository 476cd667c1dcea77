"""Confines a decoding process in two steps: most rights end at its start, reading when it knows its slide.

Only Python runs before the second step: it finds the slide's files by names and first bytes. No C decoder has met them.
On a kernel without Landlock all rights end in the second step, because a mount namespace takes some to set up.
"""

import os
import select
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.slides.helper_threads import start_helpers
from app.slides.sandbox.capabilities import give_up_capabilities
from app.slides.sandbox.confine import give_up_calls, give_up_threads
from app.slides.sandbox.landlock import has_landlock, read_only, shut_in
from app.slides.sandbox.mount_view import own_namespace, show_only
from app.slides.sandbox.readable import reading_rules

_PARENTS_PIPE = 0
"""Standard input: the parent writes nothing to it, and it closes when the parent ends."""


@dataclass(frozen=True)
class Confined:
    """Which rights the kernel took away.

    ``reading``: all files but the slide and libraries. ``files``: making, changing and running files, and other
    processes' memory. ``calls``: the network, new processes, files' modes, owners and times, other processes' limits
    and priorities. ``capabilities``: what root may do beyond its own files.
    """

    reading: bool
    files: bool
    calls: bool
    capabilities: bool


class Confinement:
    """Confinement of the calling process, which must have one thread at this time. The process serves one slide."""

    def __init__(self) -> None:
        self._has_namespace = not has_landlock() and own_namespace()
        self._done = Confined(False, False, False, False)
        self._is_set = False
        if not self._has_namespace:  # mounting needs rights that are given up here
            self._give_up_rights()

    @property
    def done(self) -> Confined:
        """The rights removed so far."""
        return self._done

    def _give_up_rights(self) -> None:
        capabilities = give_up_capabilities()
        self._done = Confined(False, shut_in(), give_up_calls(), capabilities)

    def wait_for_request(self, line: socket.socket) -> bool:
        """Wait until the parent writes to ``line``. False if the parent ended instead.

        From ``to_slide`` on, a thread watches for the parent's end.
        """
        if self._is_set:
            return True
        poll = select.poll()
        poll.register(line, select.POLLIN)
        poll.register(_PARENTS_PIPE, select.POLLIN)
        return any(fd == line.fileno() for fd, _ in poll.poll())

    def to_slide(self, entry: Path, files: Sequence[Path]) -> None:
        """Limits reading to the libraries and the slide of ``files``, opened by ``entry``.

        Raises as ``real_files``.
        """
        if self._is_set:
            raise RuntimeError("a decoding process serves one slide")
        self._is_set = True
        if self._has_namespace:
            shown = show_only(entry, files)
            self._give_up_rights()
            self._done = replace(self._done, reading=shown, files=shown)
        else:
            self._done = replace(self._done, reading=read_only(reading_rules(entry, files)))
        # Started only now: earlier threads could still read everything.
        threading.Thread(target=_die_with_parent, daemon=True).start()
        start_helpers()
        give_up_threads()


def _die_with_parent() -> None:
    """Ends the process when the pipe on standard input does, even in the middle of a decoder's work."""
    while os.read(_PARENTS_PIPE, 1):
        pass
    os._exit(0)
