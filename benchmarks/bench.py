"""`make bench`: makes the slides if they are missing, runs the parts one after another, writes benchmarks/RESULTS.md.

To keep what another machine reached, name its file RESULTS-<machine>.md beside it.

Every figure of the first table is one that a part printed further down. About ten minutes on two cores.
Usage: python benchmarks/bench.py [SLIDE ...]    (real 40x slides; default: those that the tests use)
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from machine import FIGURES_FILE, ROOT, describe, noted
from make_slides import AREAS, MAIN, MAIN_20X, START, make_slides, slide_path

RESULTS = ROOT / "benchmarks" / "RESULTS.md"


@dataclass(frozen=True)
class Part:
    """A script of this folder, what it is given, and what it runs in: left out where that is not to be had."""

    title: str
    script: str
    arguments: tuple[str, ...]
    python: Path = Path(sys.executable)
    wants_root: bool = False

    @property
    def can_run(self) -> bool:
        return self.python.exists() and (os.geteuid() == 0 or not self.wants_root)


@dataclass(frozen=True)
class Target:
    """A row of the numbers to reach. ``figure``: its name among those noted; ``wants``: why there may be none."""

    what: str
    target: str
    figure: str = ""
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    remark: str = ""
    wants: str = ""

    def row(self, figures: dict[str, float]) -> str:
        if self.wants and self.figure not in figures:
            return f"| {self.what} | {self.target} | {self.wants} | not measured here |"
        value = figures[self.figure]
        reached = (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)
        shown = f"{value:.0%}" if self.unit == "%" else f"{value:,.{0 if value >= 100 else 2}f}{self.unit}"
        verdict = "reached" if reached else "not reached"
        return f"| {self.what} | {self.target} | {shown}{self.remark} | {verdict} |"


SLIDE, SLIDE_20X, SMALL = (str(slide_path(wanted).relative_to(ROOT)) for wanted in (MAIN, MAIN_20X, START))
PARTS = (
    Part("Reading", "reading.py", (SLIDE, SLIDE_20X, "--tiles", "432")),
    Part("Embedding by precision", "embedding.py", (SLIDE,)),
    Part("The whole command", "command.py", (SLIDE, SMALL)),
    Part("Whole slide against the usual way", "whole_slide.py", (SLIDE, "--rounds", "3")),
    Part("Against a 20x teacher", "teacher.py", (SLIDE, SMALL), ROOT / "training" / ".venv" / "bin" / "python"),
    Part("Scale", "scale.py", tuple(str(slide_path(wanted).relative_to(ROOT)) for wanted in AREAS)),
    Part("Hosts", "hosts.py", (str(slide_path(AREAS[0]).relative_to(ROOT)), "--rounds", "2"), wants_root=True),
)
VNNI = "a processor with VNNI"
TARGETS = (
    Target("reading 5x tiles, 40x JPEG SVS, one core, vs OpenSlide + LANCZOS", "≥ 5x", "reading_ratio", 5, unit="x"),
    Target("the same, share of bare JPEG decoding", "≥ 70 %", "reading_of_bare", 0.70, unit="%"),
    Target("reading at 16 cores", "≥ 3,000 tiles/s", "reading_16", 3000, remark=" tiles/s (extrapolated)"),
    Target("whole slide, fp32, less start-up", "≤ 3.0 s", "net_s_fp32", at_most=3.0, unit=" s"),
    Target("whole slide, int8, less start-up", "≤ 2.3 s", "net_s_int8", at_most=2.3, unit=" s", wants=VNNI),
    Target("whole slide vs the same student behind OpenSlide, fp32", "≥ 3x", "whole_ratio", 3, unit="x"),
    Target("the same", "then 4x", "whole_ratio", 4, unit="x"),
    Target("`xmag analyze`: start-up (a slide of three tiles)", "≤ 2 s", "start_s_fp32", at_most=2.0, unit=" s"),
    Target("share of a job that is not reading or embedding, fp32", "≤ 10 %", "rest_fp32", at_most=0.10, unit="%"),
    Target("the same, int8", "≤ 10 %", "rest_int8", at_most=0.10, unit="%", wants=VNNI),
    Target("memory: largest process of `xmag analyze`", "≤ 1.5 GB", "peak_mib", at_most=1536, unit=" MiB"),
    Target("the same, to an eighth of the tissue", "flat: ≤ 1.1x", "peak_growth", at_most=1.1, unit="x"),
    Target("one H200-class GPU with 16 cores", "≥ 200 slides/min", wants="a GPU"),
    Target(
        "vs a 20x ViT-H teacher on the same slides, both fp32",
        "≥ 30x faster",
        "teacher_ratio",
        30,
        unit="x",
        remark=" (its embedding alone, extrapolated)",
        wants="`make -C training setup`",
    ),
    Target("API: upload speed, poll p99", "≥ 80 % of a copy, ≤ 20 ms", wants="`make load`"),
    Target("AUROC kept against the 20x teacher", "within 1 %", wants="the model's card"),
)


def run(part: Part, figures: Path) -> str:
    """What the part printed, as a section."""
    command = [str(part.python), str(ROOT / "benchmarks" / part.script), *part.arguments]
    python = "python" if part.python == Path(sys.executable) else str(part.python.relative_to(ROOT))
    shown = " ".join([python, f"benchmarks/{part.script}", *part.arguments])
    print(f"## {part.title}: {shown}", flush=True)
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | {FIGURES_FILE: str(figures)}
    )
    print(done.stdout, flush=True)
    return f"## {part.title}\n\n`{shown}` ({time.perf_counter() - start:.0f} s)\n\n{done.stdout.strip()}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", type=Path, nargs="*")
    options = parser.parse_args()
    names = ", ".join(make_slides(options.slides))
    about = describe()
    with tempfile.TemporaryDirectory(prefix="xmag-bench-") as folder:
        figures_file = Path(folder) / "figures"
        sections = [run(part, figures_file) for part in PARTS if part.can_run]
        figures = noted(figures_file)
    table = ["| what | target | measured | |", "|---|---|---|---|", *(target.row(figures) for target in TARGETS)]
    print("\n".join(table))
    intro = [
        "# Results",
        "",
        "Written by `make bench`; not by hand. The slides are sheets of 80,000 × 64,000 px (40x) and half of that",
        f"(20x), laid out by `benchmarks/make_slides.py` with the tissue of {names}.",
        "",
        *(f"- {line}" for line in about),
        *(
            f"- On another machine: [{other.name}]({other.name})"
            for other in sorted(RESULTS.parent.glob("RESULTS-*.md"))
        ),
        "",
    ]
    RESULTS.write_text("\n".join([*intro, "## Numbers to reach", "", *table, "", *sections]))


if __name__ == "__main__":
    main()
