"""How long until a slide is seen: from asking for the slide page to the first Deep Zoom tile.

Usage: python benchmarks/first_tile.py SLIDE ... [--rounds 5]
The slides are analysed by a real service first. "Cold": nobody has looked at this job's slide yet, no reader has it
open, nothing of it is cached (the file itself is in the operating system's cache: the analysis has just read it).
"Warm": the same once more. As a program asks (the page's own requests, one after the other over a new connection), and,
where there is a Chromium, as a person sees it: a fresh browser context, a 1280x720 window, until drawn.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import httpx
from machine import describe, note
from playwright.sync_api import Browser, sync_playwright
from service import Served

TIMEOUT_S = 60
LOOK_S = 0.02
FIRST_LEVEL = 8
"""The last level of a single tile, at which viewers begin."""
PICTURE, TILE = "picture", "first-tile"
"""Marks that the page leaves: the job's thumbnail is in the slide's place; the first tile is drawn over it."""
MARKS = "Object.fromEntries(performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime / 1000]))"
Times = dict[str, float]


def asked(url: str, job_id: str) -> Times:
    """Seconds from the page's request to each answer."""
    paths = {
        "page": f"/jobs/{job_id}/view",
        "session": "/session",
        "job": f"/jobs/{job_id}",
        "slide.dzi": f"/jobs/{job_id}/slide.dzi",
        "first tile": f"/jobs/{job_id}/slide_files/{FIRST_LEVEL}/0_0.jpg",
    }
    found = {}
    with httpx.Client(base_url=url, timeout=TIMEOUT_S) as http:
        start = time.perf_counter()
        for name, path in paths.items():
            http.get(path).raise_for_status()
            found[name] = time.perf_counter() - start
    return found


def drawn(browser: Browser, url: str, job_id: str) -> Times:
    """Seconds from the start of the navigation to tissue on screen (thumbnail or tile), and to the first tile."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    try:
        page = context.new_page()
        page.goto(f"{url}/jobs/{job_id}/view", wait_until="commit")
        deadline = time.monotonic() + TIMEOUT_S
        while TILE not in (marks := dict(page.evaluate(MARKS))):  # the page's policy lets nothing in to wait there
            if time.monotonic() > deadline:
                raise TimeoutError(f"no tile of job {job_id} was drawn within {TIMEOUT_S} s")
            time.sleep(LOOK_S)
    finally:
        context.close()
    return {"tissue": min(marks[name] for name in (PICTURE, TILE) if name in marks), "first tile": marks[TILE]}


def measure(served: Served, slide: Path, rounds: int, look: Callable[[str], Times]) -> dict[str, list[Times]]:
    """``look`` at a new job, cold then warm, ``rounds`` times."""
    found: dict[str, list[Times]] = {"cold": [], "warm": []}
    for _ in range(rounds):
        job_id = served.submit(slide)
        served.result(job_id)
        found["cold"].append(look(job_id))
        found["warm"].append(look(job_id))
    return found


def show(what: str, slide: Path, found: dict[str, list[Times]]) -> None:
    """A row for each of cold and warm: medians, and the slowest of the last column."""
    names = list(found["cold"][0])
    print(f"\n{slide.name}, {what}; s since the page was asked for, medians of {len(found['cold'])}\n")
    print(f"| | {' | '.join(names)} | slowest |\n|{'---|' * (len(names) + 2)}")
    for state, times in found.items():
        medians = [statistics.median(each[name] for each in times) for name in names]
        slowest = max(each[names[-1]] for each in times)
        print(f"| {state} | {' | '.join(f'{value:.3f}' for value in medians)} | {slowest:.3f} |", flush=True)
        note(**{f"{what}, {state}_s": medians[-1]})


def by_program(served: Served, slide: Path, rounds: int) -> None:
    show("asked by a program", slide, measure(served, slide, rounds, lambda job_id: asked(served.url, job_id)))


def by_chromium(served: Served, slide: Path, rounds: int) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("\nThere is no Chromium on this machine: nothing was drawn.")
        return
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=as_root)
        print(f"\nChromium {browser.version}, playwright {version('playwright')}")
        show("drawn by Chromium", slide, measure(served, slide, rounds, lambda job: drawn(browser, served.url, job)))
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("\n".join(f"- {line}" for line in describe()))
    with tempfile.TemporaryDirectory(prefix="xmag-bench-") as folder:
        for number, slide in enumerate(path.resolve() for path in options.slides):
            own = Path(folder, str(number))
            own.mkdir()
            with Served(own, slide.parent) as served:
                by_program(served, slide, options.rounds)
                by_chromium(served, slide, options.rounds)


if __name__ == "__main__":
    main()
