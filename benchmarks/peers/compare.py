"""The same student, slide and tile size through the tools that people use today, each in its own environment, in turn.

Each command runs on a whole slide and on one of three tiles; the difference is what the slide costs. Every tool finds
tissue and lays its grid in its own way, so that the numbers of tiles differ: tiles/s is the fairer column. xmag writes
its heatmaps and files as well, the others keep features. All but xmag's second line compute in fp32, with two threads
and two loading processes; WSInfer takes TorchScript only, all others run student.onnx by onnxruntime.
Usage: python benchmarks/peers/compare.py SLIDE START_SLIDE [--rounds 2]      (after benchmarks/peers/install.sh)
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

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from machine import analyze_command, describe, in_turn, options  # noqa: E402 - the folder above was not on the path

ENVIRONMENTS = HERE.parent / ".peers"
TOOLS = ("lazyslide", "slide2vec", "tiatoolbox", "wsinfer")
RESULTS = HERE / "RESULTS.md"
SAMPLE_S = 0.2
XMAG, XMAG_INT8 = "xmag analyze, fp32", "xmag analyze, int8"


@dataclass(frozen=True)
class Run:
    """``peak_mib``: of all its processes together, memory that they share counted once."""

    seconds: float
    peak_mib: float
    tiles: int
    versions: str


def run(tool: str, slide: Path) -> Run:
    """One command, from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="xmag-peers-") as folder:
        ours = tool in {XMAG, XMAG_INT8}
        if ours:
            command, environment = analyze_command(slide, Path(folder) / "out", tool.rsplit(maxsplit=1)[-1])
        else:
            command = [str(ENVIRONMENTS / tool / "bin" / "python"), str(HERE / f"run_{tool}.py"), str(slide)]
            environment = dict(os.environ)
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
        if ours:
            document = json.loads((Path(folder) / "out" / "result.json").read_text())
            tiles, versions = document["tiling"]["tissue_tiles"], f"model {document['model']['version']}"
        else:
            report = json.loads(said.strip().splitlines()[-1])
            tiles, versions = report["tiles"], report["versions"]
    return Run(seconds, max(peaks), tiles, versions)


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
    given = options(__doc__, "slide", "start_slide", rounds=2)
    about = describe()
    runs: dict[tuple[str, str], list[Run]] = {}
    failures: dict[str, str] = {}

    def side(tool: str, which: str, slide: Path) -> float:
        try:
            found = run(tool, slide)
        except (RuntimeError, OSError) as error:
            failures[tool] = str(error).strip().splitlines()[-1]
            return float("nan")
        runs.setdefault((tool, which), []).append(found)
        print(f"{tool} {which}: {found.tiles} tiles, {found.seconds:.1f} s, {found.peak_mib:.0f} MiB", file=sys.stderr)
        return found.seconds

    sides = {}
    for tool in (XMAG, XMAG_INT8, *TOOLS):
        for which, slide in (("start", given.start_slide.resolve()), ("slide", given.slide.resolve())):
            sides[tool, which] = lambda t=tool, w=which, s=slide: side(t, w, s)
    seconds = in_turn(sides, given.rounds)
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
    speeds: dict[str, list[float]] = {}
    for tool in (XMAG, XMAG_INT8, *TOOLS):
        if tool in failures:
            lines.append(f"| {tool} | | | | | | | | does not run here: {failures[tool]} |")
            continue
        start, whole = seconds[tool, "start"], seconds[tool, "slide"]
        first = runs[tool, "slide"][0]
        net = [b - a for a, b in zip(start, whole, strict=True)]
        speeds[tool] = [first.tiles / value for value in net]
        ratio = statistics.median(ours / theirs for ours, theirs in zip(speeds[XMAG], speeds[tool], strict=True))
        peak = statistics.median(found.peak_mib for found in runs[tool, "slide"])
        lines.append(
            f"| {tool} | {first.tiles} | {statistics.median(start):.1f} | {statistics.median(net):.1f} | "
            f"{60 / statistics.median(net):.1f} | {statistics.median(speeds[tool]):.0f} | {ratio:.1f} | {peak:.0f} | "
            f"{first.versions} |"
        )
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
