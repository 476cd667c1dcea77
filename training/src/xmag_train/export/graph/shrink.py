"""A tile brought to a smaller side in int8: blocks of codes times whole weights, exact but for the last rounding.

From 224 px to 192 px, seven pixels make six, always by the same weights, whole 12ths along each axis. That is a
convolution that steps from block to block, whose weights int8 holds exactly. Its outputs are in the order that the
first convolution needs, four neighbours side by side (space to depth). The first convolution had stride 2 on three
channels. It now has stride 1 on twelve, which processors multiply faster. Resize and what follows it take a fifth of
onnxruntime's time for a tile; this takes half of that.
"""

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from xmag_train.export.graph.pixels import chain_before, drop_unused

_CHAIN = ("DequantizeLinear", "QuantizeLinear", "Mul", "Sub", "Resize", "Cast", "Transpose")
_QUANTISE, _RESIZE = 1, 4
_RGB = 3
_INT8_MAX = 127


@dataclass(frozen=True)
class Shrinking:
    """From blocks of ``inputs`` px a side to ``outputs``, ``blocks`` of them along a tile.

    ``weights``: int64 [outputs, inputs] of one axis, in units of 1 / ``unit``.
    """

    inputs: int
    outputs: int
    blocks: int
    weights: NDArray[np.int64]
    unit: int


def shrinking(side: int, made: int) -> Shrinking | None:
    """How ``side`` px are brought to ``made``, linearly between pixel centres (PyTorch's ``bilinear``, ONNX's
    ``half_pixel``); None where blocks of an even number of outputs do not fit, or int8 does not hold the weights.
    """
    common = gcd(side, made)
    if made >= side or (common % 2 and made // common % 2):
        return None
    inputs, outputs = side // common, made // common
    unit = 2 * outputs
    weights = np.zeros((outputs, inputs), np.int64)
    for row in range(outputs):
        whole, part = divmod((2 * row + 1) * inputs - outputs, unit)  # the centre, in units, from the first pixel's
        weights[row, whole] += unit - part
        if part:
            weights[row, whole + 1] += part
    if int(weights.max()) ** 2 > _INT8_MAX:
        return None
    if outputs % 2:
        nothing = np.zeros_like(weights)
        weights = np.block([[weights, nothing], [nothing, weights]])
        inputs, outputs, common = 2 * inputs, 2 * outputs, common // 2
    return Shrinking(inputs, outputs, common, weights, unit)


def shrink_by_codes(graph: onnx.ModelProto, first_conv: str) -> None:
    """Let the convolution ``first_conv`` (its name) have blocks of codes in place of what Resize and scaling make.

    ``graph``, in QDQ form and with pixels quantised by their very steps, is changed in place. A code differs by one
    where it is a half, and Resize's float32 falls to the other side. Nothing is changed if the tile does not shrink,
    or if the first convolution is not of 3 × 3 px in steps of two.
    """
    conv = next(node for node in graph.graph.node if node.name == first_conv)
    chain = chain_before(graph, conv, len(_CHAIN))
    if tuple(node.op_type for node in chain) != _CHAIN or not _is_stem(conv) or not _is_linear(chain[_RESIZE]):
        return
    sides = _sides(graph, chain[_RESIZE])
    how = None if sides is None else shrinking(*sides)
    if sides is None or how is None:
        return
    side, made = sides
    code = list(chain[_QUANTISE].input[1:])  # scale and zero point
    channels = _fold(graph, conv)
    kernel = _block_kernel(how)

    def constant(name: str, value: NDArray[np.generic] | np.generic) -> str:
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"shrink_{name}"))
        return f"shrink_{name}"

    def sizes(name: str, *values: int) -> str:
        return constant(name, np.array(values, np.int64))

    weights = [constant("kernel", kernel), constant("unit", np.float32(1 / how.unit**2)), constant("zero", np.int8(0))]
    half = how.outputs // 2
    steps: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Reshape", [chain[-1].input[0], sizes("rows", -1, side, how.blocks, how.inputs * _RGB)], {}),
        ("Transpose", [], {"perm": [0, 3, 1, 2]}),
        ("DequantizeLinear", code, {}),
        ("Conv", ["shrink_weights"], {"kernel_shape": [how.inputs, 1], "strides": [how.inputs, 1]}),
        ("QuantizeLinear", code, {}),
        ("Transpose", [], {"perm": [0, 2, 3, 1]}),
        ("Reshape", [sizes("blocks", -1, how.blocks, half, half * channels)], {}),
        ("Transpose", [], {"perm": [0, 2, 1, 3]}),
        ("Reshape", [sizes("map", -1, made // 2, made // 2, channels)], {}),
        ("Transpose", [], {"perm": [0, 3, 1, 2]}),
        ("DequantizeLinear", code, {}),
    ]
    nodes = [helper.make_node("DequantizeLinear", weights, ["shrink_weights"])]
    before: list[str] = []
    for number, (kind, inputs, attributes) in enumerate(steps):
        output = f"shrink_{number}"
        nodes.append(helper.make_node(kind, [*before, *inputs], [output], name=output, **attributes))
        before = [output]
    conv.input[0] = before[0]
    rest = list(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend([*nodes, *rest])
    drop_unused(graph)


def _is_stem(conv: onnx.NodeProto) -> bool:
    attributes = {part.name: list(part.ints) for part in conv.attribute}
    wanted = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}
    return all(attributes.get(name) == value for name, value in wanted.items())


def _is_linear(resize: onnx.NodeProto) -> bool:
    """Whether it does what ``shrinking`` does; an attribute that is not there has ONNX's default."""
    said = {part.name: helper.get_attribute_value(part) for part in resize.attribute}
    return (
        said.get("mode") == b"linear"
        and said.get("coordinate_transformation_mode", b"half_pixel") == b"half_pixel"
        and not said.get("antialias", 0)
    )


def _sides(graph: onnx.ModelProto, resize: onnx.NodeProto) -> tuple[int, int] | None:
    """Of the square tile, and of the square that Resize makes of it; None where they are no squares, or not known."""
    inferred = onnx.shape_inference.infer_shapes(graph, data_prop=True)
    shapes = {value.name: value.type.tensor_type.shape.dim for value in inferred.graph.value_info}
    before, after = ([dim.dim_value for dim in shapes.get(name, ())] for name in (resize.input[0], resize.output[0]))
    if len(before) != 4 or len(after) != 4 or not 0 < before[2] == before[3] or not 0 < after[2] == after[3]:
        return None
    return before[2], after[2]


def _fold(graph: onnx.ModelProto, conv: onnx.NodeProto) -> int:
    """Give ``conv`` four neighbours side by side, 2 × 2 of them, in place of 3 × 3 px in steps of two; its channels."""
    maker = {name: node for node in graph.graph.node for name in node.output}
    name = maker[conv.input[1]].input[0]
    stored = next(tensor for tensor in graph.graph.initializer if tensor.name == name)
    weights = np.pad(numpy_helper.to_array(stored), ((0, 0), (0, 0), (0, 1), (0, 1)))  # 4 × 4, the last without weight
    count = len(weights)
    apart = weights.reshape(count, _RGB, 2, 2, 2, 2)  # colour, cell y, y in it, cell x, x in it
    folded = np.ascontiguousarray(apart.transpose(0, 3, 5, 1, 2, 4).reshape(count, 4 * _RGB, 2, 2))
    stored.CopyFrom(numpy_helper.from_array(folded, name))
    for part in conv.attribute:
        if part.name in ("kernel_shape", "strides"):
            part.ints[:] = [2, 2] if part.name == "kernel_shape" else [1, 1]
    return 4 * _RGB


def _block_kernel(how: Shrinking) -> NDArray[np.int8]:
    """int8 [cells · 12, px · 3, px, 1]: from a block, whose rows of RGB RGB … are channels, to its cells of 2 × 2."""
    half = how.outputs // 2
    axis = how.weights.reshape(half, 2, how.inputs)
    # Cell row, cell column, y and x in the cell, colour out; colour in and column, row in.
    kernel = np.einsum("ijr,klc,de->ikjldcer", axis, axis, np.eye(_RGB, dtype=np.int64))
    return kernel.reshape(half * half * 4 * _RGB, how.inputs * _RGB, how.inputs, 1).astype(np.int8)
