"""Run by benchmarks/runtimes.py in OpenVINO's environment: MODEL_FOLDER TILES_NPY ROUNDS → a table."""

import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import openvino

BATCH = 16
THREADS = (1, 2)
Embed = Callable[[np.ndarray], np.ndarray]


def by_onnxruntime(file: Path, threads: int) -> Embed:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as the service has it
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda tiles: session.run(["embedding"], {"tiles": tiles})[0]


def by_openvino(file: Path, threads: int, precision: str) -> Embed:
    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    compiled = core.compile_model(core.read_model(str(file)), "CPU", settings)
    output = compiled.output("embedding")
    return lambda tiles: compiled({"tiles": tiles})[output]


def main(model: Path, tiles: np.ndarray, rounds: int) -> None:
    fp32, int8 = model / "student.onnx", model / "student.int8.onnx"
    makers: dict[str, Callable[[int], Embed]] = {
        "onnxruntime fp32": lambda threads: by_onnxruntime(fp32, threads),
        "onnxruntime int8": lambda threads: by_onnxruntime(int8, threads),
        "OpenVINO fp32": lambda threads: by_openvino(fp32, threads, "f32"),
        "OpenVINO bf16": lambda threads: by_openvino(fp32, threads, "bf16"),
        "OpenVINO int8": lambda threads: by_openvino(int8, threads, "f32"),
        "OpenVINO int8 + bf16": lambda threads: by_openvino(int8, threads, "bf16"),
    }
    batches = [tiles[start : start + BATCH] for start in range(0, len(tiles), BATCH)]
    speeds: dict[tuple[str, int], list[float]] = {}
    features: dict[str, np.ndarray] = {}
    for threads in THREADS:
        sides = {name: make(threads) for name, make in makers.items()}
        for name, embed in sides.items():  # warm; and what it gives
            features[name] = np.concatenate([embed(batch) for batch in batches])
        for _ in range(rounds):
            for name, embed in sides.items():
                start = time.perf_counter()
                for batch in batches:
                    embed(batch)
                speeds.setdefault((name, threads), []).append(len(tiles) / (time.perf_counter() - start))
    print(
        f"onnxruntime {version('onnxruntime')}, openvino {version('openvino')}; {len(tiles)} tiles, batches of {BATCH};"
    )
    print(f"tiles/s, medians of {rounds} rounds, all in turn; ratio to onnxruntime int8 round by round\n")
    print(
        "| runtime | 1 thread | ratio | 2 threads | ratio | cosine to fp32: median, least |\n|---|---|---|---|---|---|"
    )
    reference = features["onnxruntime fp32"]
    for name in makers:
        cells = []
        for threads in THREADS:
            pairs = zip(speeds[name, threads], speeds["onnxruntime int8", threads], strict=True)
            ratio = statistics.median(a / b for a, b in pairs)
            cells += [f"{statistics.median(speeds[name, threads]):.0f}", f"{ratio:.2f}"]
        lengths = np.linalg.norm(features[name], axis=1) * np.linalg.norm(reference, axis=1)
        cosines = (features[name] * reference).sum(1) / lengths
        print(f"| {name} | {' | '.join(cells)} | {np.median(cosines):.4f}, {cosines.min():.4f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3]))
