"""The fsynced file ``attempts``: one line when an attempt begins, and at most one more for its end.

An attempt is requeued and does not count, or it failed and will be repeated. An attempt without such a line may have
ended its worker.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.records.record import now
from app.system.durable import append_line


@dataclass(frozen=True)
class Attempts:
    """``begun``: all attempts that started; ``counted``: ``begun`` without the requeued ones.

    ``lost``: counted attempts without a recorded failure.
    """

    begun: int
    counted: int
    lost: int
    last_started_at: datetime | None


def read_attempts(path: Path) -> Attempts:
    """Count the lines; a last line torn by a crash still counts as begun (it was about to)."""
    begun, last = 0, None
    back: set[int] = set()
    failed: set[int] = set()
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                begun += 1
                continue
            if "attempt" in entry:
                begun, last = begun + 1, datetime.fromisoformat(entry["at"])
            elif "failed" in entry:
                failed.add(entry["failed"])
            else:
                back.add(entry["handed_back"])
    return Attempts(begun, begun - len(back), begun - len(back | failed), last)


def begin(path: Path, worker: str) -> tuple[int, datetime]:
    """Write that an attempt begins; its number (from 1) and time."""
    number, at = read_attempts(path).begun + 1, now()
    append_line(path, json.dumps({"attempt": number, "worker": worker, "at": at.isoformat()}))
    return number, at


def hand_back(path: Path, number: int) -> None:
    """Write that attempt ``number`` was requeued unfinished and does not count."""
    append_line(path, json.dumps({"handed_back": number, "at": now().isoformat()}))


def note_failure(path: Path, number: int, code: str) -> None:
    """Write that attempt ``number`` failed with the error ``code`` and will be repeated."""
    append_line(path, json.dumps({"failed": number, "code": code, "at": now().isoformat()}))
