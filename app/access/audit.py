"""The audit log: who did what, when, to which job, and how it ended. ``<data>/audit.jsonl``, one JSON object a line.

Lines are only ever appended. Each holds its number and the SHA-256 of the one before, so that changing, removing or
putting in a line breaks the chain; ``audit.head`` holds the last number and hash, so that cutting lines off the end
shows too. A head older than its log is no fault: so a crash leaves them, and so a backup of a running service takes
them. Somebody who can write both files could still forge a new log. So every hash also goes to the log of the process
that wrote it, and ``verify`` can look for one that was kept elsewhere. Source: Haber and Stornetta, J. Cryptology 3,
1991.

It contains no file name, path or case id: a job's id leads to those while the job is kept.
"""

import hashlib
import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from app.errors import DiskLowError
from app.system.durable import DISK_FULL, append_line, take_lock

log = structlog.stdlib.get_logger("xmag.audit")
Action = Literal[
    "job.submit",
    "job.cancel",
    "job.rerun",
    "job.over",
    "job.erase",
    "slide.erase",
    "slide.view",
    "result.read",
    "key.create",
    "key.revoke",
    "session.open",
    "session.close",
]
LOG, HEAD = "audit.jsonl", "audit.head"
START = "0" * 64
NAME_MAX = 200
TAIL_BYTES = 64 * 1024
VIEWED_AGAIN_S = 15 * 60.0
VIEWS_MAX = 4096


@dataclass(frozen=True)
class Actor:
    """Who: ``key:NAME``, ``token:SUB``, ``local`` (no keys in use), ``console:UID``, ``service``; and from where."""

    name: str
    address: str = ""


SERVICE = Actor("service")


@dataclass(frozen=True)
class Event:
    """What is written down. ``detail``: how a job ended, which file was read, which key was made."""

    action: Action
    actor: Actor
    job: str | None = None
    tenant: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Link:
    """A place in the chain: the number of an entry, from 1, and its hash (hexadecimal)."""

    number: int
    sha256: str


@dataclass(frozen=True)
class Verdict:
    """``problems`` is empty for an intact log. ``torn``: incomplete entries left by a crash."""

    entries: int
    last: Link
    torn: int
    problems: tuple[str, ...]


class AuditLog:
    """The log of a data folder. Appending is safe from several processes and machines at once."""

    def __init__(self, data_dir: Path) -> None:
        self._path, self._head = data_dir / LOG, data_dir / HEAD

    def append(
        self, event: Event, unless: Callable[[], bool] | None = None, then: Callable[[], None] | None = None
    ) -> bool:
        """Write one entry and make it durable; False if ``unless`` says so. ``then`` is called after the entry.

        Both are called while no other can append.
        DiskLowError when the disk is full: what cannot be written down is not done.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                take_lock(descriptor)
                if unless is not None and unless():
                    return False
                self._write(event, self._last(descriptor))
                if then is not None:
                    then()
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno in DISK_FULL:
                raise DiskLowError("The server's disk is full: the audit log cannot be written.") from error
            raise
        return True

    def _write(self, event: Event, last: Link) -> None:
        entry = {
            "number": last.number + 1,
            "at": datetime.now(UTC).isoformat("T", "milliseconds"),
            "who": event.actor.name[:NAME_MAX],
            "address": event.actor.address[:NAME_MAX],
            "tenant": event.tenant[:NAME_MAX],
            "action": event.action,
            "job": event.job,
            "detail": event.detail[:NAME_MAX],
            "before": last.sha256,
        }
        link = Link(last.number + 1, _hash(entry))
        append_line(self._path, json.dumps({**entry, "sha256": link.sha256}))
        self._note(link)
        log.info("audit.appended", number=link.number, sha256=link.sha256, action=event.action)

    def _note(self, link: Link) -> None:
        aside = self._head.with_suffix(".new")
        with aside.open("w") as file:
            json.dump({"number": link.number, "sha256": link.sha256}, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._head)

    def _last(self, descriptor: int) -> Link:
        """The entry that the next one follows. Where the end was cut off, the head still says what it was."""
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, TAIL_BYTES, max(0, size - TAIL_BYTES)).splitlines()
        entries = (_parsed(line) for line in reversed(tail))
        last = next((_link(entry) for entry in entries if entry is not None), Link(0, START))
        head = self.head()
        return head if head is not None and head.number > last.number else last

    def head(self) -> Link | None:
        """The last entry as it was noted beside the log; None before the first."""
        try:
            found = _parsed(self._head.read_bytes())
        except FileNotFoundError:
            return None
        return None if found is None else _link(found)

    def verify(self, expected: str | None = None) -> Verdict:
        """Follow the whole chain. ``expected``: a hash known from elsewhere, which must be in it."""
        last, torn, entries, problems, wanted = Link(0, START), 0, 0, list[str](), {expected}
        head = self.head()
        for number, line in self._lines():
            entry = _parsed(line)
            if entry is None and _is_torn(line, last.number + 1):
                torn += 1
                continue
            if entry is None:
                problems.append(f"line {number}: is not a log entry")
                continue
            entries += 1
            link = _link(entry)
            if link.number != last.number + 1 or entry.get("before") != last.sha256:
                problems.append(f"line {number}: entry {link.number} does not follow entry {last.number}")
            unsigned = {name: value for name, value in entry.items() if name != "sha256"}
            is_as_written = json.dumps(entry).encode() == line.rstrip(b"\n")  # no second key of a name, say
            if not is_as_written or _hash(unsigned) != link.sha256:
                problems.append(f"line {number}: entry {link.number} was changed")
            wanted.discard(link.sha256)
            if head is not None and head.number == link.number and head.sha256 != link.sha256:
                problems.append(f"line {number}: entry {link.number} is not the one that audit.head names")
            last = link
        if head is None and entries:
            problems.append("audit.head is missing or damaged: the end may have been cut off")
        if head is None and not entries and self._should_be():
            problems.append("audit.jsonl and audit.head are missing or empty, although keys or jobs exist")
        if head is not None and head.number > last.number:
            problems.append(
                f"the end is missing: audit.head names entry {head.number}, the log ends at {last.number}. It was cut "
                "off, or a backup of a running service copied the log before its head (docker/backup.sh copies the "
                "head first)"
            )
        if wanted - {None}:
            problems.append("the expected hash is not in the log")
        return Verdict(entries, last, torn, tuple(problems))

    def _should_be(self) -> bool:
        """Whether the data folder was used: making a key and accepting a job are logged."""
        folder = self._path.parent
        jobs = (folder / "jobs").glob("*/*.json")
        return (folder / "keys.json").exists() or any(path.name in {"request.json", "tombstone.json"} for path in jobs)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        try:
            with self._path.open("rb") as file:
                yield from enumerate(file, start=1)
        except FileNotFoundError:
            return


class ViewLog:
    """Writes ``slide.view`` before the first pixel is sent, and again after a quarter of an hour. Thread-safe."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._noted: OrderedDict[tuple[Actor, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, actor: Actor, job_id: str, tenant: str) -> None:
        """``actor`` looks at the job's slide. DiskLowError when it cannot be written down."""
        key, moment = (actor, job_id), time.monotonic()
        with self._lock:  # held while writing: nobody's tile overtakes the entry
            noted = self._noted.get(key)
            if noted is not None and moment - noted < VIEWED_AGAIN_S:
                return
            self._audit.append(Event("slide.view", actor, job_id, tenant))
            self._noted[key] = moment
            self._noted.move_to_end(key)
            while len(self._noted) > VIEWS_MAX:
                self._noted.popitem(last=False)


def _hash(entry: dict[str, Any]) -> str:
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _is_torn(line: bytes, number: int) -> bool:
    """Whether a line is an incomplete entry ``number``."""
    begun = json.dumps({"number": number, "at": ""}).removesuffix('"}').encode()
    text = line.rstrip(b"\n")
    return text == b"" or ((begun.startswith(text) or text.startswith(begun)) and not text.endswith(b"}"))


def _parsed(line: bytes) -> dict[str, Any] | None:
    """An entry or the head; None for anything else, as a crash leaves it."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    is_whole = isinstance(entry, dict) and isinstance(entry.get("number"), int) and isinstance(entry.get("sha256"), str)
    return entry if is_whole else None


def _link(entry: dict[str, Any]) -> Link:
    return Link(entry["number"], entry["sha256"])
