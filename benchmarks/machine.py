"""What a figure was measured on, and where the parts of `make bench` leave their figures for its first table."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from app.inference.cores import available_cores
from app.inference.manifest import read_manifest

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "xmag-lite0"
Key = TypeVar("Key")
FIGURES_FILE = "XMAG_BENCH_FIGURES"
_PACKAGES = ("onnxruntime", "openslide-python", "openslide-bin", "numpy", "pillow", "simplejpeg")
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "sha_ni")


def describe() -> list[str]:
    """Lines about processor, memory, versions, model and commit."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    lines = (line.partition(":") for line in cpuinfo.split("\n\n", maxsplit=1)[0].splitlines())
    facts = {name.strip(): value.strip() for name, _, value in lines}
    flags = facts.get("flags", "").split()
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    manifest, manifest_sha256 = read_manifest(MODEL)
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    processor = facts.get("model name") or platform.machine()
    features = " ".join(name for name in _FEATURES if name in flags)
    return [
        f"Processor: {processor}, family {facts.get('cpu family', '?')} ({features}), "
        f"{available_cores()} cores given; memory {memory_gib:.0f} GiB; {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        f"Model {manifest.name} {manifest.version}, manifest {manifest_sha256[:12]}; commit {commit}",
        f"Date {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; load average at the start {os.getloadavg()[0]:.2f}",
    ]


def note(**figures: float | str) -> None:
    """Hand figures to `make bench`, where it is what runs; each must be one that the caller also prints."""
    file = os.environ.get(FIGURES_FILE)
    if file is not None:
        with Path(file).open("a") as out:
            out.write(json.dumps(figures) + "\n")


def noted(file: Path) -> dict[str, float]:
    figures: dict[str, float] = {}
    for line in file.read_text().splitlines():
        figures.update(json.loads(line))
    return figures


def in_turn(sides: Mapping[Key, Callable[[], float]], rounds: int) -> dict[Key, list[float]]:
    """A B A B: what each side's call gives, round by round."""
    found: dict[Key, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
    return found
