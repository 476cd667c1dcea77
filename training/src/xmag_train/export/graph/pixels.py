"""Pixels are their own int8 codes: scaled to (x - 127) / 128, their step is 1/128 and their zero point 127."""

import onnx

_CHAIN = ("DequantizeLinear", "QuantizeLinear", "Mul", "Sub", "Cast")


def take_pixels_as_codes(graph: onnx.ModelProto, first_conv: str) -> None:
    """Let the convolution ``first_conv`` (its name) have the pixels dequantised, not scaled and quantised before.

    ``graph``, in QDQ form, is changed in place and gives the same bits, if the pixels were quantised by their very
    steps. Nothing is changed where more lies between: a tile that is brought to another side.
    """
    conv = next(node for node in graph.graph.node if node.name == first_conv)
    chain = chain_before(graph, conv, len(_CHAIN))
    if tuple(node.op_type for node in chain) != _CHAIN:
        return
    chain[0].input[0] = chain[-1].input[0]
    drop_unused(graph)


def chain_before(graph: onnx.ModelProto, node: onnx.NodeProto, length: int) -> list[onnx.NodeProto]:
    """The nodes that lie one behind another before the first input of ``node``, nearest first; ``length`` at most."""
    maker = {name: each for each in graph.graph.node for name in each.output}
    chain: list[onnx.NodeProto] = []
    while len(chain) < length and (before := maker.get(node.input[0])) is not None:
        chain.append(before)
        node = before
    return chain


def drop_unused(graph: onnx.ModelProto) -> None:
    """Remove nodes and constants that no output of the graph comes from, in place."""
    wanted = {output.name for output in graph.graph.output}
    while more := {
        name
        for node in graph.graph.node
        if not wanted.isdisjoint(node.output)
        for name in node.input
        if name and name not in wanted
    }:
        wanted |= more
    for kept in (graph.graph.node, graph.graph.initializer):
        for part in [part for part in kept if wanted.isdisjoint(_names(part))]:
            kept.remove(part)


def _names(part: onnx.NodeProto | onnx.TensorProto) -> list[str]:
    return list(part.output) if isinstance(part, onnx.NodeProto) else [part.name]
