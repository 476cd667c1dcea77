"""Slides a minute of one worker, by how many jobs it works on at a time, through HTTP, queue and `xmag worker`.

Usage: python benchmarks/service_throughput.py SLIDE ... [--at-once 1 2] [--jobs 12] [--rounds 5]
One service for each setting; the slides go by path to one after the other, again and again until --jobs are done, in
turns: A B A B. Slides that are refused (no resolution, say) are left out and named.
"""

import argparse
import os
import statistics
import tempfile
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path

import httpx
from machine import describe, note
from service import Served


def usable(served: Served, slides: list[Path]) -> list[Path]:
    """The slides that the service analyses; it is warm afterwards."""
    found = []
    for slide in slides:
        try:
            result = served.result(served.submit(slide))
        except (httpx.HTTPStatusError, RuntimeError) as error:
            print(f"left out: {slide.name}: {str(error).splitlines()[0]}")
            continue
        found.append(slide)
        print(f"{slide.name}: {result['tiling']['tissue_tiles']} tiles, {result['timings_s']['total']:.2f} s alone")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", type=Path, nargs="+")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    slides = [slide.resolve() for slide in options.slides]
    print("\n".join(describe()) + "\n")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xmag-bench-")))
        root = Path(os.path.commonpath([slide.parent for slide in slides]))
        served = {
            count: stack.enter_context(Served(folder / str(count), root, jobs_per_worker=count))
            for count in options.at_once
        }
        warmed = [usable(one, slides) for one in served.values()]
        good = warmed[0]
        jobs = list(islice(cycle(good), options.jobs))
        print(f"\n{len(jobs)} jobs of {len(good)} slides, in turns, {os.cpu_count()} cores; slides/min\n")
        names = " | ".join(f"{count} at a time" for count in served)
        print(f"| round | {names} | ratio |\n|---|{'---|' * len(served)}---|")
        found = []
        for number in range(1, options.rounds + 1):
            rates = [one.slides_per_minute(jobs) for one in served.values()]
            found.append([*rates, rates[-1] / rates[0]])
            print(f"| {number} | {' | '.join(f'{value:.2f}' for value in found[-1])} |", flush=True)
    medians = [statistics.median(column) for column in zip(*found, strict=True)]
    print(f"| median | {' | '.join(f'{value:.2f}' for value in medians)} |")
    note(service_throughput_ratio=medians[-1])


if __name__ == "__main__":
    main()
