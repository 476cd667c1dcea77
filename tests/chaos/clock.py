"""The wall clock jumps, for every process of the installation at once: an hour, a day, back, and across a restart."""

import random
import shutil
import struct
import subprocess
import time
from pathlib import Path

from tests.chaos.house import House, kill
from tests.chaos.ledger import Ledger
from tests.service import until

SOURCE = Path(__file__).with_name("clock.c")
JUMPS_S = (3600, -7200, 86_400 * 30, -86_400 * 60)
ENDED_S = 60.0


def prepare(house: House) -> str:
    """Build the clock and give it to the house; why that is not possible, or nothing."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "skipped: no C compiler (cc) to build the clock with"
    house.folder.mkdir(parents=True, exist_ok=True)
    library, file = house.folder / "clock.so", house.folder / "clock"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        return f"skipped: the clock cannot be built here: {built.stderr[-300:]}"
    file.write_bytes(struct.pack("q", 0))
    house.besides = {"LD_PRELOAD": str(library), "XMAG_TEST_CLOCK": str(file)}
    return ""


def play(house: House, ledger: Ledger, rng: random.Random) -> None:
    """At each jump jobs run, one of them with a worker that dies at that moment; at the last, all is restarted."""
    for jump_s in JUMPS_S:
        jobs = [house.submit(ledger, "large") for _ in range(3)]
        until(lambda: bool(house.at_work()), 30)
        pid = rng.choice(sorted(house.at_work()))
        kill(pid)
        ledger.fault("worker killed as the clock jumps (SIGKILL)")
        is_last = jump_s == JUMPS_S[-1]
        if is_last:
            house.cut_power()
            ledger.fault("everything killed at once, started again with the clock set back")
        _jump(house, jump_s)
        ledger.fault(f"clock jumps by {jump_s / 3600:+.0f} h")
        began = time.monotonic()
        if is_last:
            house.open()
        for job_id in jobs:
            house.service.wait(job_id, timeout_s=120)
        took_s = time.monotonic() - began
        ledger.notes.append(f"{took_s:.1f} s from the jump by {jump_s / 3600:+.0f} h to the end of the jobs in hand")
        if took_s > ENDED_S:
            ledger.find(f"after a jump by {jump_s} s the jobs in hand took {took_s:.0f} s")
    said = house.service.http.get("/v2/health/live").headers["date"]
    ledger.notes.append(f"the service's date in the end: {said}")


def _jump(house: House, by_s: int) -> None:
    """Written in place: the processes have the file in their memory."""
    with Path(house.besides["XMAG_TEST_CLOCK"]).open("r+b") as file:
        (now,) = struct.unpack("q", file.read(8))
        file.seek(0)
        file.write(struct.pack("q", now + by_s))
