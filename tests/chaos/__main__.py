"""`make chaos`: the real processes, broken in every way we know of; non-zero on a lost, doubled or wrong outcome."""

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos import scenarios
from tests.chaos.house import House
from tests.chaos.ledger import Ledger, table
from tests.chaos.sweep import sweep
from tests.service import ROOT
from tests.tissue import tissue_slide

REAL = "fix_cmu1_small_region.svs"
SWEEP_S = 300.0
LIMIT_S = 600.0


def main() -> int:
    """Play the scenarios and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=110, help="jobs of the sweep, at least")
    options.add_argument("--kills", type=int, default=None, help="workers killed in the sweep (default: half as many)")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="", help="names of scenarios, separated by commas")
    given = options.parse_args()
    kills = given.jobs // 2 if given.kills is None else given.kills
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        scratch = Path(name)
        slides = make_slides(scratch)
        plays: dict[str, Callable[[House, Ledger, random.Random], None]] = {
            "sweep": lambda house, ledger, rng: sweep(house, ledger, rng, given.jobs, kills, SWEEP_S),
            **scenarios.PLAYS,
        }
        wanted = [part for part in given.only.split(",") if part] or list(plays)
        with House(scratch / "undisturbed", slides) as calm:
            calm.learn()
        ledgers = [Ledger(title) for title in wanted]
        # Two at a time: most of them wait most of the time, for leases, pauses and starts.
        with ThreadPoolExecutor(2) as lanes:
            for ledger in ledgers:
                rng = random.Random(f"{given.seed}-{ledger.name}")
                lanes.submit(play, ledger, plays[ledger.name], scratch, slides, calm.references, rng)
    took_s = time.monotonic() - began
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {took_s:.0f} s"
    print(f"\nseed {given.seed}, {machine}\n\n{table(ledgers)}\n")
    for ledger in ledgers:
        print("\n".join(f"{ledger.name}: {note}" for note in ledger.notes if note))
    findings = [finding for ledger in ledgers for finding in ledger.findings]
    findings += [f"it took {took_s:.0f} s, longer than {LIMIT_S:.0f}"] if took_s > LIMIT_S else []
    print("\n" + ("\n".join(findings) or "no findings"))
    jobs = sum(len(ledger.asked) for ledger in ledgers)
    return int(jobs == 0 or bool(findings) or not all(ledger.is_good() or ledger.skipped() for ledger in ledgers))


def make_slides(scratch: Path) -> dict[str, Path]:
    """Name → path: painted ones of three sizes, and a real one where it is at hand."""
    folder = Path(os.environ.get("XMAG_TEST_DATA", ROOT.parent / "shared" / "data")) / "slides"
    found = {
        "small": tissue_slide(scratch / "small.svs"),
        "middle": tissue_slide(scratch / "middle.svs", side_px=1800, seed=1),
        "large": tissue_slide(scratch / "large.svs", side_px=3136, seed=2),
    }
    return found | ({"real": folder / REAL} if (folder / REAL).exists() else {})


def play(
    ledger: Ledger,
    scenario: Callable[[House, Ledger, random.Random], None],
    scratch: Path,
    slides: dict[str, Path],
    references: dict[str, dict[str, object]],
    rng: random.Random,
) -> None:
    """One scenario in a house of its own, and its judgement."""
    began = time.monotonic()
    house = House(scratch / ledger.name, slides, **scenarios.HOUSES.get(ledger.name, {"workers": 3}))
    house.references = references
    try:
        with scenarios.ground(house, ledger) as is_possible:
            if is_possible:
                with house:
                    scenario(house, ledger, rng)
                    house.settle(ledger)
                    house.audit([ledger])
    except Exception:  # noqa: BLE001 (it is told, with its trace)
        # A scenario that cannot be played to its end is a finding; the others are played all the same.
        ledger.find(f"broke off: {traceback.format_exc()}")
    ledger.took_s = time.monotonic() - began
    print(
        f"{ledger.name}: {sum(ledger.faults.values())} faults, {len(ledger.asked)} jobs, {ledger.right} right, "
        f"{len(ledger.findings)} findings, {ledger.took_s:.0f} s",
        *ledger.findings,
        sep="\n  ",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
