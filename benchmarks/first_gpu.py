"""What to measure on the first GPU, with a bar for each figure: `make first-gpu`. Ten minutes at most, no network.

Usage: python benchmarks/first_gpu.py [--device cuda|cpu] [--tiles 256] [PART …]
Parts, each in a process of its own: load parity memory speed placement scarce sick. `--device cpu` rehearses them.
Exit code 0 if nothing fell below its bar.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import MODEL, describe
from numpy.typing import NDArray

from app.errors import InferenceFailedError
from app.inference.embedder import Batching, Embedder
from app.inference.golden import golden_tile
from app.inference.gpu import probe_gpus
from app.inference.manifest import read_manifest, read_verified
from app.inference.model import BATCH_SIZES_CUDA, Model, load_model
from app.inference.providers import Provider, choose_provider
from app.inference.runtime import onnxruntime
from app.inference.session import OnnxGraph
from app.system.logs import configure_logs

START_S = 60.0
COSINE = {"fp32": 0.999999, "fp16": 0.9999}
OTHER_BATCH = {"fp32": 1e-4, "fp16": 2e-2}
"""Largest difference of a value where the same tile is computed in a batch of another size."""
GROWTH_MB = 64
TILES_PER_S = 3000
SCARCE_BYTES = 400 * 2**20
SHAPES_ONLY = {"Shape", "Concat", "Gather", "Slice", "Unsqueeze", "Squeeze", "Cast", "Constant"}
"""What may run on the CPU beside a GPU: arithmetic on shapes."""


class Report:
    """Prints a line for each figure; ``has_failed`` once one fell below its bar."""

    has_failed = False

    def judge(self, is_good: bool, text: str) -> None:
        """A figure with a bar."""
        print("PASS" if is_good else "FAIL", text, flush=True)
        self.has_failed |= not is_good

    def note(self, text: str) -> None:
        """A figure without one."""
        print("    ", text, flush=True)


class Bench:
    """The device under test, and tiles for it."""

    def __init__(self, device: str, count: int, report: Report) -> None:
        self.device, self.report = device, report
        self.manifest = read_manifest(MODEL)[0]
        self.precisions = [name for name in COSINE if name in {v.precision for v in self.manifest.student}]
        self.tiles = _tiles(count, self.manifest.tile_px)

    def model(self, precision: str, device: str | None = None) -> Model:
        """Loaded, with its golden tile proven."""
        return load_model(MODEL, device=device or self.device, precision=precision)

    def provider(self) -> Provider:
        """What the device is to onnxruntime."""
        return choose_provider(self.device, onnxruntime.get_available_providers())

    def file(self, precision: str) -> tuple[bytes, str]:
        """The student's verified bytes, and the file's name."""
        variant = next(v for v in self.manifest.student if v.precision == precision)
        return read_verified(MODEL, variant.file), variant.file.name

    def used_mb(self) -> int:
        """Memory of the first GPU, or of this process."""
        if self.device == "cuda":
            query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
            return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0])
        status = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) // 1024


def _tiles(count: int, tile_px: int) -> NDArray[np.uint8]:
    """uint8 [count, tile_px, tile_px, 3]: the golden tile shifted, with noise."""
    random, base = np.random.default_rng(0), golden_tile(tile_px).astype(np.int16)
    shifts = random.integers(tile_px, size=(count, 2))
    return np.stack(
        [(np.roll(base, tuple(by), (0, 1)) + random.integers(-25, 26, base.shape)).clip(0, 255) for by in shifts]
    ).astype(np.uint8)


def load(bench: Bench) -> None:
    """Start-up: session, golden tile, heads, a batch of each size."""
    bench.report.note(str(probe_gpus()))
    for precision in bench.precisions:
        began = time.perf_counter()
        model = bench.model(precision)
        loaded = time.perf_counter()
        model.warm_up()
        warm = time.perf_counter()
        text = f"{precision} on {model.provider}: golden tile proven, loaded in {loaded - began:.1f} s, warm after "
        bench.report.judge(warm - began < START_S, f"{text}{warm - began:.1f} s (bar {START_S:.0f} s)")


def parity(bench: Bench) -> None:
    """The GPU's numbers beside those of fp32 on a CPU, in other batches, and twice."""
    tiles, expected = bench.tiles, bench.model("fp32", "cpu").embedder.embed(bench.tiles).astype(np.float64)
    for precision in bench.precisions:
        embedder = bench.model(precision).embedder
        found = embedder.embed(tiles)
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        cosine = ((found * expected).sum(axis=1) / lengths).min()
        bench.report.judge(cosine >= COSINE[precision], f"{precision}: least cosine to fp32 on the CPU {cosine:.7f}")
        parts = np.concatenate([embedder.embed(tiles[at : at + 16]) for at in range(0, len(tiles), 16)])
        apart = float(np.abs(parts - found).max())
        bench.report.judge(apart <= OTHER_BATCH[precision], f"{precision}: batches of 16 differ by {apart:.2g} at most")
        bench.report.judge(
            bool((embedder.embed(tiles) == found).all()), f"{precision}: the same batch gives the same bits"
        )


def memory(bench: Bench) -> None:
    """What the first slides ask for beyond the warm-up."""
    for precision in bench.precisions:
        before = bench.used_mb()
        model = bench.model(precision)
        model.warm_up()
        warm = bench.used_mb()
        for size in (256, 64, 16, 256, 256):
            model.embedder.embed(bench.tiles[:size])
        growth = bench.used_mb() - warm
        text = f"{precision}: {warm - before} MB once warm, {growth} MB more after slides (bar {GROWTH_MB} MB)"
        bench.report.judge(growth < GROWTH_MB, text)


def speed(bench: Bench) -> None:
    """Tiles a second, by batch and by threads that ask."""
    for precision in bench.precisions:
        embedder = bench.model(precision).embedder
        sizes = [size for size in (4, 16, 64, 256) if size <= len(bench.tiles)]
        rates = {size: _rate(embedder, bench.tiles[:size], threads=1) for size in sizes}
        bench.report.note(f"{precision}: tiles/s by batch " + ", ".join(f"{n}: {r:.0f}" for n, r in rates.items()))
        twice = _rate(embedder, bench.tiles[: sizes[-1]], threads=2)
        bench.report.note(f"{precision}: {twice:.0f} tiles/s where two threads ask at a time")
        best = rates[sizes[-1]]
        if bench.device == "cuda":
            bench.report.judge(best >= TILES_PER_S, f"{precision}: {best:.0f} tiles/s (bar {TILES_PER_S})")


def _rate(embedder: Embedder, batch: NDArray[np.uint8], threads: int, seconds: float = 2.0) -> float:
    embedder.embed(batch)
    done = [0] * threads
    began = time.perf_counter()

    def work(number: int) -> None:
        while time.perf_counter() - began < seconds:
            embedder.embed(batch)
            done[number] += len(batch)

    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(done) / (time.perf_counter() - began)


def placement(bench: Bench) -> None:
    """Which of the student's operators run where."""
    provider = bench.provider()
    for precision in bench.precisions:
        with tempfile.TemporaryDirectory() as folder:
            options = onnxruntime.SessionOptions()
            options.enable_profiling, options.profile_file_prefix = True, f"{folder}/profile"
            chosen = [(provider.name, dict(provider.options))]
            session = onnxruntime.InferenceSession(bench.file(precision)[0], options, providers=chosen)
            session.run(["embedding"], {"tiles": bench.tiles[:4]})
            events = json.loads(Path(session.end_profiling()).read_text())
        ran = [event["args"] for event in events if event["name"].endswith("_kernel_time")]
        beside = {args["op_name"] for args in ran if args.get("provider") != provider.name} - SHAPES_ONLY
        bench.report.judge(
            not beside, f"{precision}: elsewhere than on {provider.name}: {sorted(beside) or 'shapes only'}"
        )


def scarce(bench: Bench) -> None:
    """A batch that does not fit is split, and the next is computed too."""
    provider = bench.provider()
    if provider.is_cuda:
        provider = replace(provider, options=(*provider.options, ("gpu_mem_limit", str(SCARCE_BYTES))))
    content, name = bench.file("fp32")
    batching = Batching(BATCH_SIZES_CUDA, is_padded=True, lanes=1, niceness=0)
    embedder = Embedder(OnnxGraph(content, name, provider, threads=1), bench.manifest, batching)
    try:
        embedder.embed(bench.tiles)
    except InferenceFailedError as error:
        bench.report.judge(False, f"with {SCARCE_BYTES >> 20} MB: {error.message}")
        return
    bench.report.judge(True, f"with {SCARCE_BYTES >> 20} MB: computed, batches split: {embedder.splits()}")
    embedder.embed(golden_tile(bench.manifest.tile_px)[None])


def sick(bench: Bench) -> None:
    """After an error that a process does not recover from, the proof of the model says so at once. Wants torch."""
    try:
        import torch  # noqa: PLC0415 (only a machine for training has it)
    except ModuleNotFoundError:
        bench.report.note("not tried: without torch no kernel can be made to fail")
        return
    if bench.device != "cuda":
        bench.report.note("not tried: this is a GPU's trouble")
        return
    model = bench.model(bench.precisions[-1])
    try:
        torch.zeros(4, device="cuda").index_select(0, torch.tensor([1 << 40], device="cuda"))
        torch.cuda.synchronize()
    except RuntimeError as error:
        bench.report.note(f"made sick: {str(error).splitlines()[0][:100]}")
    began = time.perf_counter()
    try:
        model.check()
    except InferenceFailedError as error:
        bench.report.judge(time.perf_counter() - began < 5, f"found broken: {error.message[:200]}")
    else:
        bench.report.judge(False, "the golden tile is computed on a device that is sick")


PARTS: dict[str, Callable[[Bench], None]] = {
    part.__name__: part for part in (load, parity, memory, speed, placement, scarce, sick)
}


def main() -> int:
    """Each part in a process of its own: a device that one made sick is well for the next."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiles", type=int, default=256)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        report = Report()
        bench = Bench(given.device, given.tiles, report)
        for name in given.parts:
            PARTS[name](bench)
        return int(report.has_failed)
    print("\n".join(describe()), flush=True)
    failed = []
    for name in given.parts or PARTS:
        print(f"\n{name}: {PARTS[name].__doc__}", flush=True)
        command = [sys.executable, __file__, name, "--here", "--device", given.device, "--tiles", str(given.tiles)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    print(f"\nbelow its bar: {', '.join(failed)}" if failed else "\nnothing fell below its bar")
    return int(bool(failed))


if __name__ == "__main__":
    configure_logs("warning", "text")  # standard output is the table's
    sys.exit(main())
