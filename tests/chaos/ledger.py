"""What was asked for, and what came of it: each job accepted has exactly one outcome, and it is the right one."""

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SUCCEEDED = "succeeded"


@dataclass
class Asked:
    """One submission. ``expected``: `succeeded`, `cancelled`, or the code of the failure that is right for it."""

    key: str
    slide: str
    expected: str
    job_id: str = ""


@dataclass
class Ledger:
    """Counts of one scenario; ``findings`` should be empty. Threads may write."""

    name: str
    faults: Counter[str] = field(default_factory=Counter)
    asked: list[Asked] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    right: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    took_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, asked: Asked) -> None:
        """A submission that was answered with 202."""
        with self.lock:
            self.asked.append(asked)

    def fault(self, kind: str) -> None:
        """A fault was injected."""
        with self.lock:
            self.faults[kind] += 1

    def find(self, finding: str) -> None:
        """Something that should not have happened."""
        with self.lock:
            self.findings.append(f"{self.name}: {finding}")

    def is_good(self) -> bool:
        """Whether every job has its one right outcome."""
        return not self.findings and self.right == len(self.asked)

    def skipped(self) -> bool:
        """Whether the scenario could not be played here; ``notes`` say why."""
        return not self.asked and not self.faults and bool(self.notes)


class OutcomeWatch(threading.Thread):
    """Looks at all outcome files all the time: one that appears must never change again."""

    def __init__(self, jobs: Path) -> None:
        super().__init__(name="outcomes", daemon=True)
        self._jobs, self._over = jobs, threading.Event()
        self.seen: dict[str, bytes] = {}
        self.changed: set[str] = set()

    def run(self) -> None:
        """Until stopped."""
        while not self._over.wait(0.1):
            self.look()

    def look(self) -> None:
        """Look once."""
        for path in self._jobs.glob("*/outcome.json"):
            data = path.read_bytes()
            if self.seen.setdefault(path.parent.name, data) != data:
                self.changed.add(path.parent.name)

    def stop(self) -> None:
        """Look a last time, and end."""
        self._over.set()
        self.join()
        self.look()


def accepted_on_disk(jobs: Path) -> set[str]:
    """Ids of all jobs that the service accepted, whether or not anybody was told."""
    return {path.parent.name for path in jobs.glob("*/request.json")}


def audited_outcomes(data_dir: Path) -> Counter[str]:
    """How often the audit log says of each job that it is over; a line torn by a fault says nothing."""
    counts: Counter[str] = Counter()
    for line in (data_dir / "audit.jsonl").read_bytes().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry["action"] == "job.over":
            counts[entry["job"]] += 1
    return counts


def essence(result: dict[str, Any]) -> dict[str, Any]:
    """What of a result must not depend on anything that happened to the service."""
    tiling, slide = result["tiling"], result["slide"]
    return {
        "predictions": result["predictions"],
        "top_tiles": result["top_tiles"],
        "tissue_tiles": tiling["tissue_tiles"],
        "sha256": slide["sha256"],
    }


def table(ledgers: list[Ledger]) -> str:
    """One row a scenario, and the sum."""
    head = ("scenario", "faults", "jobs", "one right outcome", "lost", "doubled", "wrong", "s")
    rows = [head]
    for one in ledgers:
        rows.append((one.name, *_figures([one]), f"{one.took_s:.0f}"))
    rows.append(("all", *_figures(ledgers), f"{sum(one.took_s for one in ledgers):.0f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    kinds: Counter[str] = sum((one.faults for one in ledgers), Counter())
    lines += ["", "faults injected"] + [f"{count:6d}  {kind}" for kind, count in sorted(kinds.items())]
    return "\n".join(lines)


def _figures(ledgers: list[Ledger]) -> tuple[str, ...]:
    sums = [
        sum(sum(one.faults.values()) for one in ledgers),
        sum(len(one.asked) for one in ledgers),
        *(sum(getattr(one, name) for one in ledgers) for name in ("right", "lost", "doubled", "wrong")),
    ]
    return tuple(str(number) for number in sums)
