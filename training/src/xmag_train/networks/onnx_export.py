"""From a torch module to one self-contained ONNX file that is the same, byte for byte, each time."""

import copy
import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

OPSET = 18


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """A copy of ``model`` (eval form) with batch norms folded into the convolutions before them: fewer operations.

    In float64, so that nothing is rounded twice. ValueError for one without a convolution before it.
    """
    folded = copy.deepcopy(model).eval().double()
    for sequence in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        layers = list(sequence.children())
        for index in range(len(layers) - 1):
            conv, norm = layers[index], layers[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index] = fuse_conv_bn_eval(conv, norm)
                sequence[index + 1] = nn.Identity()
    left = [name for name, module in folded.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if left:
        raise ValueError(f"batch norms without a convolution before them: {left}")
    return folded.to(torch.float32)


def export_onnx(
    model: nn.Module,
    example: Tensor,
    path: Path,
    *,
    graph: str,
    input_name: str,
    output_names: list[str],
    rows: str = "N",
) -> None:
    """Write ``model`` to ``path``; the first axis of its only input is free and called ``rows``."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # torch's exporter warns of its own internals (copyreg, deprecated flags): nothing a reader could act on.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            input_names=[input_name],
            output_names=output_names,
            dynamic_shapes=({0: torch.export.Dim(rows, min=1)},),
            opset_version=OPSET,
            optimize=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch gave no ONNX program")
    proto = program.model_proto
    _strip(proto, graph)
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))


def _strip(proto: onnx.ModelProto, graph: str) -> None:
    """Take out names of files, stack traces and versions: they change from machine to machine."""
    proto.producer_name = "xmag-train"
    proto.producer_version = ""
    proto.doc_string = ""
    proto.graph.name = graph
    proto.graph.doc_string = ""
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    for part in (*proto.graph.node, *proto.graph.initializer, *proto.graph.input, *proto.graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    del proto.graph.value_info[:]
    if proto.functions:
        raise RuntimeError("the exporter left functions in the graph: expected plain operators")
