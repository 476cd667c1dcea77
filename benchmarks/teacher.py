"""What a 20x teacher would take on the same slide, beside what xmag takes: extrapolated from a few tiles, and said so.

The architectures are those of UNI2-h (ViT-H/14) and of XMAG's student (ViT-B/14), as training/ builds them, with random
weights, in torch, fp32; their time is embedding alone, nothing for reading. The teacher's tiles are 224 px at
0.5 µm/px, xmag's and the ViT-B's 224 px at 2.0 µm/px, both kept by the same rule of 10 % tissue.
Usage: training/.venv/bin/python benchmarks/teacher.py SLIDE START_SLIDE [--rounds 3]
"""

import statistics
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import torch
from machine import analyze_command, note, options
from xmag_train.networks.students.timm_students import VIT_BASE, VitStudent
from xmag_train.networks.teachers.registry import build_teacher

from app.inference.processor import int8_is_exact
from app.slides.formats.opening import open_slide
from app.slides.tiles.survey import survey_slide
from app.slides.types import ReadingPlan
from app.system.logs import configure_logs

BATCH = 2
PRECISIONS = ("fp32", "int8") if int8_is_exact() else ("fp32",)


def tiles_at(slide: Path, mpp: float) -> int:
    with open_slide(slide) as opened:
        return len(survey_slide(opened, ReadingPlan(tile_mpp=mpp)).coords)


def seconds_per_tile(model: torch.nn.Module) -> float:
    tiles = torch.randint(0, 256, (BATCH, 224, 224, 3), dtype=torch.uint8)
    start = time.perf_counter()
    with torch.inference_mode():
        model(tiles)
    return (time.perf_counter() - start) / BATCH


def command_s(slide: Path, precision: str) -> float:
    with tempfile.TemporaryDirectory(prefix="xmag-bench-") as out:
        command, environment = analyze_command(slide, Path(out), precision)
        start = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def main() -> None:
    given = options(__doc__, "slide", "start_slide", rounds=3)
    at_20x, at_5x = tiles_at(given.slide, 0.5), tiles_at(given.slide, 2.0)
    torch.manual_seed(0)
    teachers = {
        "ViT-H/14 (UNI2-h's architecture) at 20x": (build_teacher("uni2_h", "random"), at_20x),
        "ViT-B/14 (the paper's student) at 5x": (VitStudent(VIT_BASE).eval(), at_5x),
    }
    for model, _ in teachers.values():
        seconds_per_tile(model)
    ours: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    theirs: dict[str, list[float]] = {name: [] for name in teachers}
    for _ in range(given.rounds):
        for precision, found in ours.items():
            found.append(command_s(given.slide, precision) - command_s(given.start_slide, precision))
        for name, (model, count) in teachers.items():
            theirs[name].append(seconds_per_tile(model) * count)
    print(f"torch {torch.__version__}, timm {version('timm')}, {torch.get_num_threads()} threads; medians of ", end="")
    print(f"{given.rounds} rounds in turn; tiles at 20x / at 5x: {at_20x} / {at_5x} = {at_20x / at_5x:.1f}\n")
    print(f"| | tiles | s for the slide | {' | '.join(f'to xmag {precision}' for precision in ours)} |")
    print(f"|---|---|---|{'---|' * len(ours)}")
    for precision, found in ours.items():
        own = (statistics.median(a / b for a, b in zip(found, other, strict=True)) for other in ours.values())
        ratios = " | ".join(f"{ratio:.2f}" for ratio in own)
        print(f"| xmag analyze, {precision}, less start-up | {at_5x} | {statistics.median(found):.1f} | {ratios} |")
    for name, (model, count) in teachers.items():
        millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        to_ours = {
            precision: statistics.median(b / a for a, b in zip(found, theirs[name], strict=True))
            for precision, found in ours.items()
        }
        print(
            f"| {name}, {millions:.0f} M weights, random, embedding alone, extrapolated from {BATCH} tiles a round ",
            end="",
        )
        ratios = " | ".join(f"{ratio:.0f}" for ratio in to_ours.values())
        print(f"| {count} | {statistics.median(theirs[name]):.0f} | {ratios} |")
        if count == at_20x:
            note(teacher_ratio=to_ours["fp32"])


if __name__ == "__main__":
    configure_logs("warning", "text")  # standard output is the table's
    main()
