"""Cost against tissue area (a straight line, fitted), and against jobs and workers of a running service.

Usage: python benchmarks/scale.py SLIDE ... [--rounds 3] [--jobs 8] [--slots N] [--plot benchmarks/scale.png]
The slides: same sheet, growing tissue. The service analyses the second of them, --jobs times at once, by path, with one
worker and more, each with N jobs in hand (by default half the cores, two to eight). How many cores were busy meanwhile,
whatever with, says whether there is anything left for another.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from command import Run, analyze
from machine import ROOT, busy_s, note
from plot import plot_line
from service import Served

WORKERS = (1, 2, 4)


def area(slides: list[Path], rounds: int, plot: Path | None) -> None:
    runs: dict[Path, list[Run]] = {slide: [] for slide in slides}
    for _ in range(rounds):
        for slide in slides:
            runs[slide].append(analyze(slide, "auto"))
    tiles = np.array([runs[slide][0].tiles for slide in slides])
    seconds = np.array([statistics.median(run.wall_s for run in runs[slide]) for slide in slides])
    slope, start = np.polyfit(tiles, seconds, 1)
    fitted = slope * tiles + start
    r_squared = 1 - ((seconds - fitted) ** 2).sum() / ((seconds - seconds.mean()) ** 2).sum()
    print(
        f"`xmag analyze` (precision {runs[slides[0]][0].precision}), same sheet, growing tissue; medians of {rounds}\n"
    )
    print("| slide | MB | 5x tiles | s | processor s | largest process MiB |\n|---|---|---|---|---|---|")
    peaks = []
    for slide, count, wall_s in zip(slides, tiles, seconds, strict=True):
        cpu_s, peak = (statistics.median(getattr(run, name) for run in runs[slide]) for name in ("cpu_s", "peak_mib"))
        print(
            f"| {slide.name} | {slide.stat().st_size / 1e6:.0f} | {count} | {wall_s:.2f} | {cpu_s:.1f} | {peak:.0f} |"
        )
        peaks.append(peak)
    note(peak_mib=max(peaks), peak_growth=peaks[-1] / peaks[0])
    print(f"\nFit: {start:.2f} s + {slope * 1e3:.2f} ms per tile, R² {r_squared:.4f}")
    if plot is not None:
        plot_line(plot, tiles, seconds, slope, start)
        print(f"\n![seconds against tiles]({plot.name})")


def concurrency(slide: Path, jobs: int, slots: int | None) -> None:
    settings = {} if slots is None else {"jobs_per_worker": slots}
    print(f"\nService, {jobs} jobs of {slide.name} by path at once, {os.cpu_count()} cores\n")
    print("| workers | all done after s | slides/min | each job's own s (median) | cores busy | batches filled |")
    print("|---|---|---|---|---|---|")
    for workers in WORKERS:
        with (
            tempfile.TemporaryDirectory(prefix="xmag-bench-") as folder,
            Served(Path(folder), slide.parent, **settings) as served,
        ):
            for _ in range(workers - 1):
                served.add_worker()
            start, busy = time.perf_counter(), busy_s()
            ids = [served.submit(slide) for _ in range(jobs)]
            results = [served.result(job_id) for job_id in ids]
            wall_s, busy = time.perf_counter() - start, busy_s() - busy
            fill = served.batch_fill()
        own_s = statistics.median(result["timings_s"]["total"] for result in results)
        figures = f"{wall_s:.1f} | {60 * jobs / wall_s:.1f} | {own_s:.2f} | {busy / wall_s:.2f} | {fill:.0%}"
        print(f"| {workers} | {figures} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--plot", type=Path, default=ROOT / "benchmarks" / "scale.png")
    options = parser.parse_args()
    area(options.slides, options.rounds, options.plot)
    concurrency(options.slides[min(1, len(options.slides) - 1)].resolve(), options.jobs, options.slots)


if __name__ == "__main__":
    main()
