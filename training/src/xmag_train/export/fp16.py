"""The student in fp16, for GPUs, and how near it is to fp32 on tiles of other cases.

Measured on a CPU, which computes each layer in fp32 and rounds what it gives to fp16, as a GPU's tensor cores do.
"""

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16

from xmag_train.export.package import ReducedVariant
from xmag_train.export.precision_fidelity import Reference, fidelity_of


def make_fp16(fp32: Reference) -> ReducedVariant:
    """Weights and layers of the graph ``fp32`` in fp16, tiles and embeddings as before."""
    graph = convert_float_to_float16(onnx.load_from_string(fp32.graph), keep_io_types=True)
    fp16 = graph.SerializeToString(deterministic=True)
    return ReducedVariant("fp16", fp16, fidelity_of("fp16", fp16, fp32))
