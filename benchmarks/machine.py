"""What the parts of `make bench` share: options, the timed command, the machine, and where figures are left for it."""

import argparse
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


def options(doc: str | None, *slides: str, **numbers: int) -> argparse.Namespace:
    """The command line of a part: ``slides`` by name, and ``numbers`` with their defaults as --options.

    A name that ends in ``+`` takes one or more.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in slides:
        parser.add_argument(name.removesuffix("+"), type=Path, nargs="+" if name.endswith("+") else None)
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def analyze_command(slide: Path, out: Path, precision: str = "auto") -> tuple[list[str], dict[str, str]]:
    """`xmag analyze` with the committed models and no other setting of its user's: arguments and environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XMAG_")}
    environment |= {"XMAG_PRECISION": precision, "XMAG_MODELS_DIR": str(ROOT / "models")}
    return [str(ROOT / ".venv" / "bin" / "xmag"), "analyze", str(slide), "--out", str(out)], environment


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


def busy_s() -> float:
    """Seconds that all cores of the machine together have computed, whatever for."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


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
