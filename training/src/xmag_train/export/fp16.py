"""The student in fp16, for GPUs, and how near it is to fp32 on tiles of other cases.

Measured on a CPU, which computes each layer in fp32 and rounds what it gives to fp16, as a GPU's tensor cores do.
"""

from collections.abc import Mapping

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import nn

from xmag_train.export.fidelity import fidelity_of
from xmag_train.export.tiles import TileSet
from xmag_train.package import ReducedVariant


def make_fp16(fp32: bytes, held_out: TileSet, *, heads: Mapping[str, nn.Module], threads: int) -> ReducedVariant:
    """Weights and layers of the graph ``fp32`` in fp16, tiles and embeddings as before; measured on ``held_out``."""
    graph = convert_float_to_float16(onnx.load_from_string(fp32), keep_io_types=True)
    fp16 = graph.SerializeToString(deterministic=True)
    return ReducedVariant("fp16", fp16, fidelity_of("fp16", fp16, fp32, held_out, heads=heads, threads=threads))
