"""Pixels are their own int8 codes: scaled to (x - 127) / 128, their step is 1/128 and their zero point 127."""

import onnx

_CHAIN = ("DequantizeLinear", "QuantizeLinear", "Mul", "Sub", "Cast")


def take_pixels_as_codes(graph: onnx.ModelProto, first_conv: str) -> None:
    """Let the convolution ``first_conv`` (its name) have the pixels dequantised, not scaled and quantised before.

    ``graph``, in QDQ form, is changed in place and gives the same bits, if the pixels were quantised by their very
    steps. Nothing is changed where more lies between: a tile that is brought to another side.
    """
    maker = {name: node for node in graph.graph.node for name in node.output}
    chain = [maker[next(node for node in graph.graph.node if node.name == first_conv).input[0]]]
    while len(chain) < len(_CHAIN) and chain[-1].input[0] in maker:
        chain.append(maker[chain[-1].input[0]])
    if tuple(node.op_type for node in chain) != _CHAIN:
        return
    chain[0].input[0] = chain[-1].input[0]
    for node in chain[1:]:
        graph.graph.node.remove(node)
    used = {name for node in graph.graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.graph.initializer if tensor.name not in used]:
        graph.graph.initializer.remove(tensor)
