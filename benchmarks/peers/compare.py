"""The same student, slide and tile size through the tools that people use today, each in its own environment, in turn.

Each takes a whole slide and one of three tiles; the difference is what the slide costs. xmag's two commands are timed
from outside. The others start so slowly, and so unevenly, that the difference would drown: one process of each takes
the slide of three tiles twice, so that its libraries are loaded and compiled, then the whole one, and the difference of
the last two counts; what the process takes besides is given as its start-up. Every tool finds tissue and lays its grid
in its own way, so that the numbers of tiles differ: tiles/s is the fairer column. xmag writes its heatmaps and files as
well, the others keep features. All but xmag's second line compute in fp32, with two threads and two loading processes;
WSInfer takes TorchScript only, all others run student.onnx by onnxruntime.
Usage: python benchmarks/peers/compare.py SLIDE START_SLIDE [--rounds 3]      (after benchmarks/peers/install.sh)
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from machine import analyze_command, describe, in_turn, options  # noqa: E402 - the folder above was not on the path

ENVIRONMENTS = HERE.parent / ".peers"
TOOLS = ("lazyslide", "slide2vec", "tiatoolbox", "wsinfer")
RESULTS = HERE / "RESULTS.md"
SAMPLE_S = 0.2
XMAG, XMAG_INT8 = "xmag analyze, fp32", "xmag analyze, int8"


@dataclass(frozen=True)
class Cost:
    """``start_s``: what a slide of three tiles takes or, for the others, all but the slide; ``slide_s``: the whole
    slide, less that; ``peak_mib``: of all its processes together, memory that they share counted once."""

    start_s: float
    slide_s: float
    peak_mib: float
    tiles: int
    versions: str


@dataclass(frozen=True)
class _Run:
    """One command: its seconds, its processes' peak, what it said and left in ``out``."""

    seconds: float
    peak_mib: float
    said: str
    document: dict[str, Any]


def cost_of(tool: str, slide: Path, start_slide: Path) -> Cost:
    """RuntimeError, OSError where the tool does not run."""
    if tool in {XMAG, XMAG_INT8}:
        start, whole = (_run(tool, path) for path in (start_slide, slide))
        model, tiles = whole.document["model"], whole.document["tiling"]["tissue_tiles"]
        return Cost(start.seconds, whole.seconds - start.seconds, whole.peak_mib, tiles, f"model {model['version']}")
    run = _run(tool, start_slide, start_slide, slide)
    _, warm, whole_slide = (json.loads(line) for line in run.said.splitlines() if line.startswith('{"tiles"'))
    slide_s = whole_slide["seconds"] - warm["seconds"]
    return Cost(run.seconds - slide_s, slide_s, run.peak_mib, whole_slide["tiles"], whole_slide["versions"])


def _run(tool: str, *slides: Path) -> _Run:
    with tempfile.TemporaryDirectory(prefix="xmag-peers-") as folder:
        document = Path(folder) / "out" / "result.json"
        if tool in {XMAG, XMAG_INT8}:
            command, environment = analyze_command(slides[0], document.parent, tool.rsplit(maxsplit=1)[-1])
        else:
            python = ENVIRONMENTS / tool / "bin" / "python"
            command, environment = [str(python), str(HERE / f"run_{tool}.py"), *map(str, slides)], dict(os.environ)
        start = time.perf_counter()
        with (Path(folder) / "errors").open("w+") as errors:
            process = subprocess.Popen(
                command, env=environment | {"TMPDIR": folder}, stdout=subprocess.PIPE, stderr=errors, text=True
            )
            peaks: list[float] = [0.0]
            sampling = threading.Thread(target=_sample, args=(process, peaks))
            sampling.start()
            said, _ = process.communicate()
            seconds = time.perf_counter() - start
            sampling.join()
            if process.returncode:
                errors.seek(0)
                raise RuntimeError(f"{tool} ended with {process.returncode}:\n{errors.read()[-2000:]}")
        return _Run(seconds, max(peaks), said, json.loads(document.read_text()) if document.exists() else {})


def _sample(process: "subprocess.Popen[str]", peaks: list[float]) -> None:
    while process.poll() is None:
        peaks.append(sum(_pss_mib(pid) for pid in _family(process.pid)))
        time.sleep(SAMPLE_S)


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended meanwhile
        return []
    return [pid, *(member for child in children for member in _family(int(child)))]


def _pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def main() -> None:
    given = options(__doc__, "slide", "start_slide", rounds=3)
    about = describe()
    costs: dict[str, list[Cost]] = {}
    failures: dict[str, str] = {}

    def side(tool: str) -> float:
        try:
            cost = cost_of(tool, given.slide.resolve(), given.start_slide.resolve())
        except (RuntimeError, OSError) as error:
            failures[tool] = str(error).strip().splitlines()[-1]
            return float("nan")
        costs.setdefault(tool, []).append(cost)
        print(f"{tool}: {cost.tiles} tiles, {cost.slide_s:.1f} s, start-up {cost.start_s:.1f} s", file=sys.stderr)
        return cost.tiles / cost.slide_s

    speeds = in_turn({tool: lambda t=tool: side(t) for tool in (XMAG, XMAG_INT8, *TOOLS)}, given.rounds)
    lines = [
        "# The same student through other tools",
        "",
        "Written by `benchmarks/peers/compare.py`; its first lines say what is compared and what is not.",
        "",
        *(f"- {line}" for line in about),
        f"- `python benchmarks/peers/compare.py {given.slide} {given.start_slide} --rounds {given.rounds}`",
        "",
        f"Medians of {given.rounds} rounds, all tools in turn; s for the slide are less start-up.",
        "",
        "| tool | tiles | start-up s | slide s | slides/min | tiles/s | xmag fp32 to it | peak MiB | versions |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for tool, found in speeds.items():
        if tool in failures:
            lines.append(f"| {tool} | | | | | | | | does not run here: {failures[tool]} |")
            continue
        first = costs[tool][0]
        start_s, slide_s, peak_mib = (
            statistics.median(getattr(cost, name) for cost in costs[tool])
            for name in ("start_s", "slide_s", "peak_mib")
        )
        ratio = statistics.median(ours / theirs for ours, theirs in zip(speeds[XMAG], found, strict=True))
        lines.append(
            f"| {tool} | {first.tiles} | {start_s:.1f} | {slide_s:.1f} | {60 / slide_s:.1f} | "
            f"{statistics.median(found):.0f} | {ratio:.1f} | {peak_mib:.0f} | {first.versions} |"
        )
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
