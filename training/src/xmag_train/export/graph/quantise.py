"""int8 by static quantisation: activations u8, weights s8 with one scale per output channel, in QDQ form.

u8 × s8 is what x86 processors multiply fast (VNNI); s8 × s8 ran ten times slower.
"""

import numpy as np
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from xmag_train.export.graph.ranges import Range

QUANTISED_OPS = ("Conv", "Clip", "Relu", "Add", "MatMul", "Gemm")


def activations(graph: onnx.ModelProto, excluded: frozenset[str]) -> list[str]:
    """Names of the tensors whose range matters: inputs and outputs of the nodes that are quantised."""
    constants = {tensor.name for tensor in graph.graph.initializer}
    names: dict[str, None] = {}
    for node in graph.graph.node:
        if node.op_type in QUANTISED_OPS and node.name not in excluded:
            names.update(dict.fromkeys(name for name in (*node.input[:2], *node.output) if name not in constants))
    return list(names)


def quantise(graph: onnx.ModelProto, ranges: dict[str, Range], excluded: frozenset[str]) -> onnx.ModelProto:
    """``graph`` (float32) with every node of ``QUANTISED_OPS`` in int8, but those named in ``excluded``."""
    copied = onnx.ModelProto()
    copied.CopyFrom(graph)
    data = {
        name: TensorData(lowest=np.float32(found.low), highest=np.float32(found.high)) for name, found in ranges.items()
    }
    quantizer = QDQQuantizer(
        copied,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(excluded),
        op_types_to_quantize=list(QUANTISED_OPS),
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )
    quantizer.quantize_model()
    return quantizer.model.model
