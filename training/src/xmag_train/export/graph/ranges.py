"""The range of each activation that int8 shall cover, from what calibration tiles give.

The range is the one with the smallest mean squared error: cutting off a few large values makes the steps finer for
all others. Two passes: extremes first, then histograms.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from xmag_train.progress import track

BINS = 2048
LEVELS = 255
# Values per tensor and batch that go into the histogram, evenly spaced.
SAMPLE = 100_000
# Fractions of the full range that are tried on either side.
_FRACTIONS = np.concatenate([np.linspace(0.3, 0.9, 25), np.linspace(0.91, 1.0, 19)])


class Range(NamedTuple):
    """Lowest and highest value that keep their meaning; includes 0."""

    low: float
    high: float


def measure_ranges(
    graph: onnx.ModelProto, tensors: list[str], batches: Iterable[NDArray[np.uint8]]
) -> dict[str, Range]:
    """Tensor of ``graph`` → its range over ``batches`` (uint8 [n, 224, 224, 3])."""
    session = _session_with(graph, tensors)
    tiles = list(batches)
    low = np.zeros(len(tensors))
    high = np.zeros(len(tensors))
    for batch in track(tiles, "int8 ranges: extremes, batches"):
        for index, found in enumerate(session.run(tensors, {"tiles": batch})):
            low[index] = min(low[index], float(found.min()))
            high[index] = max(high[index], float(found.max()), low[index] + 1e-6)
    counts = np.zeros((len(tensors), BINS))
    for batch in track(tiles, "int8 ranges: histograms, batches"):
        for index, found in enumerate(session.run(tensors, {"tiles": batch})):
            sample = found.ravel()[:: found.size // SAMPLE + 1]
            counts[index] += np.histogram(sample, bins=BINS, range=(low[index], high[index]))[0]
    return {name: best_range(counts[index], Range(low[index], high[index])) for index, name in enumerate(tensors)}


def best_range(counts: NDArray[np.float64], full: Range) -> Range:
    """The clipping of ``full`` with the least squared error, for values as the histogram ``counts`` has them."""
    edges = np.linspace(full.low, full.high, len(counts) + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    best, least = full, np.inf
    lows = [0.0] if full.low >= 0 else full.low * _FRACTIONS
    for low in lows:
        for high in full.high * _FRACTIONS if full.high > 0 else [0.0]:
            step = (high - low) / LEVELS
            if step <= 0:
                continue
            zero = np.clip(np.rint(-low / step), 0, LEVELS)
            codes = np.clip(np.rint(centres / step) + zero, 0, LEVELS)
            error = float(counts @ np.square((codes - zero) * step - centres))
            if error < least:
                best, least = Range(float(low), float(high)), error
    return best


def _session_with(graph: onnx.ModelProto, tensors: list[str]) -> onnxruntime.InferenceSession:
    """``graph`` with inner tensors as outputs, computed as they are (no fusion)."""
    opened = onnx.ModelProto()
    opened.CopyFrom(graph)
    known = {output.name for output in opened.graph.output}
    opened.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(opened.SerializeToString(), options, providers=["CPUExecutionProvider"])
