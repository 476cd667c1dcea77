"""The student in fp16 and in int8, and how near each is to fp32 on tiles of other cases."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.transformers.float16 import convert_float_to_float16

from xmag_train.export.config import Int8Config
from xmag_train.export.graph.pixels import take_pixels_as_codes
from xmag_train.export.graph.quantise import QUANTISED_OPS, activations, quantise
from xmag_train.export.graph.ranges import Range, measure_ranges
from xmag_train.export.graph.shrink import shrink_by_codes
from xmag_train.export.measure.precision_fidelity import Reference, Speed, compare_speed, fidelity_of
from xmag_train.export.measure.tiles import TileSet, batches
from xmag_train.export.package import ReducedVariant
from xmag_train.networks.backbones.efficientnet_lite import PIXEL_MEAN, PIXEL_STD


@dataclass(frozen=True)
class MeasuredInt8:
    """The variant, the tiles that it was quantised by, and how much faster it ran here."""

    variant: ReducedVariant
    calibration: TileSet
    speed: Speed

    def as_dict(self) -> dict[str, Any]:
        """For `export.json`."""
        return {"fidelity": self.variant.fidelity.model_dump(), "tiles_per_s": self.speed._asdict()}


def make_fp16(fp32: Reference) -> ReducedVariant:
    """For GPUs: weights and layers of the graph ``fp32`` in fp16, tiles and embeddings as before.

    Measured on a CPU, which computes each layer in fp32 and rounds what it gives to fp16, as a GPU's tensor cores do.
    """
    graph = convert_float_to_float16(onnx.load_from_string(fp32.graph), keep_io_types=True)
    fp16 = graph.SerializeToString(deterministic=True)
    return ReducedVariant("fp16", fp16, fidelity_of("fp16", fp16, fp32))


def make_int8(fp32: Reference, calibration: TileSet, config: Int8Config) -> MeasuredInt8:
    """Quantise the graph ``fp32`` by the tiles of ``calibration``."""
    graph = onnx.load_from_string(fp32.graph)
    int8 = quantise_student(graph, calibration.tiles(), config).SerializeToString(deterministic=True)
    variant = ReducedVariant("int8", int8, fidelity_of("int8", int8, fp32))
    return MeasuredInt8(variant, calibration, compare_speed(fp32.graph, int8, fp32.tiles))


def quantise_student(graph: onnx.ModelProto, tiles: NDArray[np.uint8], config: Int8Config) -> onnx.ModelProto:
    """``graph`` in int8 but for ``config.keep_float`` and what comes after the last map.

    The scaled pixels get the very steps that they have, so that quantising them loses nothing, and takes nothing.
    """
    excluded = excluded_nodes(graph, config.keep_float)
    names = activations(graph, excluded)
    ranges = measure_ranges(graph, names, batches(tiles))
    first = _first_conv(graph)
    are_codes = first.input[0] in ranges and (PIXEL_MEAN, PIXEL_STD) == (127.0, 128.0)
    if are_codes:
        ranges[first.input[0]] = Range((0.0 - PIXEL_MEAN) / PIXEL_STD, (255.0 - PIXEL_MEAN) / PIXEL_STD)
    quantised = quantise(graph, ranges, excluded)
    if are_codes:
        take_pixels_as_codes(quantised, first.name)
        shrink_by_codes(quantised, first.name)
    quantised.producer_name = "xmag-train"
    quantised.producer_version = ""
    return quantised


def excluded_nodes(graph: onnx.ModelProto, keep_float: tuple[str, ...]) -> frozenset[str]:
    """Nodes that stay in fp32: convolutions whose weights' names start so, what follows each, and the pooling product.

    ValueError for a name that no weight starts with.
    """
    found: set[str] = set()
    used: set[str] = set()
    inside = False
    for node in graph.graph.node:
        if node.op_type == "Conv":
            owner = next((part for part in keep_float if node.input[1].startswith(f"{part}.")), None)
            inside = owner is not None
            used.update([owner] if owner is not None else [])
        if (inside and node.op_type in QUANTISED_OPS) or node.op_type == "MatMul":
            found.add(node.name)
    if set(keep_float) - used:
        raise ValueError(f"keep_float names parts that the student has not: {sorted(set(keep_float) - used)}")
    return frozenset(found)


def _first_conv(graph: onnx.ModelProto) -> onnx.NodeProto:
    return next(node for node in graph.graph.node if node.op_type == "Conv")
