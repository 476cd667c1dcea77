"""A tile brought to a smaller side by codes: the pixels of Resize, without it."""

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime.quantization", reason="onnx is not installed: see training/README.md")

import torch
from onnx import helper
from test_pixels import TILES, graph_of
from torch.nn import functional

from xmag_train.export.config import Int8Config
from xmag_train.export.graph.shrink import shrinking
from xmag_train.export.measure import reduced
from xmag_train.export.measure.precision_fidelity import embed, open_graph
from xmag_train.export.measure.reduced import quantise_student


def first_inputs(graph: onnx.ModelProto) -> np.ndarray:
    """uint8 [n, c, h, w]: the codes that the student's first convolution has."""
    seen = onnx.ModelProto()
    seen.CopyFrom(graph)
    maker = {name: node for node in graph.graph.node for name in node.output}
    stem = next(node for node in graph.graph.node if node.op_type == "Conv" and "stem" in node.input[1])
    codes = maker[stem.input[0]].input[0]
    seen.graph.output.append(helper.make_tensor_value_info(codes, onnx.TensorProto.UINT8, None))
    return open_graph(seen.SerializeToString(), 1).run([codes], {"tiles": TILES})[0]


@pytest.mark.parametrize("side_px", [192, 160])
def test_the_same_codes_but_for_halves_rounded_otherwise(tmp_path, monkeypatch, side_px: int) -> None:
    graph = graph_of(side_px, tmp_path)
    found = quantise_student(graph, TILES, Int8Config())
    monkeypatch.setattr(reduced, "shrink_by_codes", lambda *_: None)
    plain = quantise_student(graph, TILES, Int8Config())
    kinds = [{node.op_type for node in each.graph.node} for each in (found, plain)]
    assert "Resize" not in kinds[0]
    assert "Resize" in kinds[1]
    wanted, cells = first_inputs(plain), first_inputs(found)
    count, half = len(TILES), side_px // 2
    codes = cells.reshape(count, 2, 2, 3, half, half).transpose(0, 3, 4, 1, 5, 2).reshape(wanted.shape)
    apart = np.abs(codes.astype(int) - wanted)
    assert apart.max() <= 1
    assert np.mean(apart > 0) < 0.02
    first, second = (embed(open_graph(each.SerializeToString(), 1), TILES) for each in (found, plain))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    assert ((first * second).sum(axis=1) / lengths).min() > 0.999
    assert first.std() > 0


@pytest.mark.parametrize(
    ("name", "value"), [("mode", "nearest"), ("coordinate_transformation_mode", "align_corners"), ("antialias", 1)]
)
def test_another_way_of_shrinking_is_left_alone(tmp_path, name: str, value: str | int) -> None:
    graph = graph_of(192, tmp_path)
    resize = next(node for node in graph.graph.node if node.op_type == "Resize")
    others = [part for part in resize.attribute if part.name != name]
    del resize.attribute[:]
    resize.attribute.extend([*others, helper.make_attribute(name, value)])
    found = quantise_student(graph, TILES, Int8Config())
    assert sum(node.op_type == "Resize" for node in found.graph.node) == 1


@pytest.mark.parametrize("made", [192, 160, 128, 112, 96, 64])
def test_whole_weights_are_those_of_torch(made: int) -> None:
    how = shrinking(224, made)
    assert how is not None
    line = torch.eye(224, dtype=torch.float64)[None]
    wanted = functional.interpolate(line, size=made, mode="linear")[0].T.numpy()
    axis = np.kron(np.eye(how.blocks), how.weights / how.unit)
    np.testing.assert_allclose(axis, wanted, atol=1e-12)
    assert how.outputs % 2 == 0
    assert (how.weights.sum(axis=1) == how.unit).all()


@pytest.mark.parametrize("made", [224, 256, 208, 32 * 7 - 1])
def test_what_int8_cannot_hold_is_left(made: int) -> None:
    assert shrinking(224, made) is None
