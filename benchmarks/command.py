"""`xmag analyze` as a user runs it: a whole slide, less what starting costs, and where the time goes.

The same command on a slide of three tiles stands for start-up; both in turn, for fp32 and, where the processor computes
it exactly, for int8. Stages are those of the result's own timings; "around" is what the command takes beyond them and
start-up. Waiting for the model to load (model_wait) is start-up, and no part of the shares.
Usage: python benchmarks/command.py SLIDE START_SLIDE [--rounds 3]
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from machine import analyze_command, in_turn, note, options

from app.inference.processor import int8_is_exact
from app.system.logs import configure_logs

PRECISIONS = ("fp32", "int8") if int8_is_exact() else ("fp32",)
WORK = ("read_wait", "embed")
START_STAGE = "model_wait"


@dataclass(frozen=True)
class Run:
    """Seconds of wall clock and processor, MiB of the largest process, and the result's timings and precision."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    stages_s: dict[str, float]
    precision: str
    tiles: int


def analyze(slide: Path, precision: str) -> Run:
    """One run; the slide is read once before, so that it lies in the page cache as an upload does."""
    with slide.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass
    with tempfile.TemporaryDirectory(prefix="xmag-bench-") as out:
        command, environment = analyze_command(slide, Path(out), precision)
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        said = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {said}")
        document = json.loads((Path(out) / "result.json").read_text())
    return Run(
        wall_s,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        document["timings_s"],
        document["model"]["precision"],
        document["tiling"]["tissue_tiles"],
    )


def main() -> None:
    given = options(__doc__, "slide", "start_slide", rounds=3)
    runs: dict[str, list[Run]] = {}

    def side(name: str, slide: Path, precision: str) -> float:
        run = analyze(slide, precision)
        runs.setdefault(name, []).append(run)
        return run.wall_s

    sides = {}
    for precision in PRECISIONS:
        sides[f"slide {precision}"] = lambda p=precision: side(f"slide {p}", given.slide, p)
        sides[f"start {precision}"] = lambda p=precision: side(f"start {p}", given.start_slide, p)
    walls = in_turn(sides, given.rounds)
    tiles, few = runs["slide fp32"][0].tiles, runs["start fp32"][0].tiles
    print(f"`xmag analyze`, {tiles} tiles, less the same command on {few} tiles; medians of {given.rounds}, s\n")
    print("| precision | command | start-up | slide less start-up | slides/min | processor s | largest process MiB |")
    print("|---|---|---|---|---|---|---|")
    for precision in PRECISIONS:
        big, small = walls[f"slide {precision}"], walls[f"start {precision}"]
        net = statistics.median(a - b for a, b in zip(big, small, strict=True))
        done = runs[f"slide {precision}"]
        cpu_s, peak = (statistics.median(getattr(run, name) for run in done) for name in ("cpu_s", "peak_mib"))
        print(
            f"| {precision} | {statistics.median(big):.2f} | {statistics.median(small):.2f} | "
            f"{net:.2f} | {60 / net:.1f} | {cpu_s:.1f} | {peak:.0f} |"
        )
        note(**{f"net_s_{precision}": net, f"start_s_{precision}": statistics.median(small), f"peak_{precision}": peak})
    print("\nWhere the slide's time goes (medians of the result's own timings, s; share of all stages)\n")
    names = [name for name in runs["slide fp32"][0].stages_s if name not in {"total", START_STAGE}]
    print("| precision | " + " | ".join(names) + " | around | not reading or embedding |")
    print("|---|" + "---|" * (len(names) + 2))
    for precision in PRECISIONS:
        done = runs[f"slide {precision}"]
        seconds = {
            name: statistics.median(run.stages_s[name] for run in done) for name in [*names, START_STAGE, "total"]
        }
        around = statistics.median(run.wall_s - run.stages_s["total"] for run in done)
        starting = statistics.median(run.wall_s - run.stages_s["total"] for run in runs[f"start {precision}"])
        files_s = max(0.0, around - starting)
        whole = seconds["total"] - seconds[START_STAGE] + files_s
        rest = 1 - sum(seconds[name] for name in WORK) / whole
        cells = " | ".join(f"{seconds[name]:.2f}" for name in names)
        print(f"| {precision} | {cells} | {files_s:.2f} | {rest:.0%} |")
        note(**{f"rest_{precision}": rest})


if __name__ == "__main__":
    configure_logs("warning", "text")  # standard output is the table's
    main()
