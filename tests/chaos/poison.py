"""Slides that crash or hang their decoder, or take their worker along, beside slides that are well."""

import random
import signal
import threading
from contextlib import suppress
from pathlib import Path

from tests.chaos.house import House, descendants, is_alive, kill, name_of
from tests.chaos.ledger import Ledger

HOUSE = {"workers": 1, "attempts_max": 3, "job_deadline_s": 20}
INNOCENT = 8
CRASH, HANG, TAKE_ALONG = "crashes its decoder (SIGSEGV)", "hangs its decoder (SIGSTOP)", "kills its worker (SIGKILL)"
RIGHT = {CRASH: "decoder_crashed", HANG: "deadline_exceeded", TAKE_ALONG: "attempts_exhausted"}


def play(house: House, ledger: Ledger, rng: random.Random) -> None:
    """Each poison slide among innocent ones, which must all succeed."""
    poison = Poison(house, ledger)
    poison.start()
    for deed, code in RIGHT.items():
        poison.deeds[house.submit(ledger, "large", expected=code)] = deed
        for _ in range(INNOCENT // len(RIGHT)):
            house.submit(ledger, rng.choice(["small", "middle"]))
    ids = list(poison.deeds)
    jobs = [house.service.wait(job_id, timeout_s=150) for job_id in ids]
    poison.over.set()
    poison.join()
    for job_id, job in zip(ids, jobs, strict=True):
        if int(str(job["attempt"])) > 3:
            ledger.find(f"{job_id} was tried {job['attempt']} times")


class Poison(threading.Thread):
    """Does to a poison slide's processes, at each attempt on it, what such a slide would. ``deeds``: job → which."""

    def __init__(self, house: House, ledger: Ledger) -> None:
        super().__init__(name="poison", daemon=True)
        self._house, self._ledger = house, ledger
        self._struck: set[int] = set()
        self._counted: set[tuple[int, str]] = set()
        self.deeds: dict[str, str] = {}
        self.over = threading.Event()

    def run(self) -> None:
        """Until told that it is over."""
        while not self.over.wait(0.01):
            for pid, jobs in self._house.at_work().items():
                for job_id in jobs & self.deeds.keys():
                    self._strike(pid, job_id, self.deeds[job_id])

    def _strike(self, worker: int, job_id: str, deed: str) -> None:
        targets = [worker] if deed == TAKE_ALONG else [pid for pid in descendants(worker) if reads(pid, job_id)]
        fresh = [pid for pid in targets if pid not in self._struck and is_alive(pid)]
        if not fresh or job_id not in self._house.at_work().get(worker, ()):  # over meanwhile: another job's reader
            return
        number = {CRASH: signal.SIGSEGV, HANG: signal.SIGSTOP, TAKE_ALONG: signal.SIGKILL}[deed]
        for pid in fresh:
            self._struck.add(pid)
            kill(pid, number)
        if (worker, job_id) not in self._counted or deed == CRASH:
            self._ledger.fault(f"poison slide {deed}")
        self._counted.add((worker, job_id))


def is_reader(pid: int) -> bool:
    """Whether the process is one that decodes."""
    return name_of(pid) == "xmag-reader"


def reads(pid: int, job_id: str) -> bool:
    """Whether the process decodes that job's slide: it has the file open."""
    if not is_reader(pid):
        return False
    with suppress(FileNotFoundError, ProcessLookupError):
        return any(job_id in str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir())
    return False
