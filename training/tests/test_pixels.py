"""Pixels as their own int8 codes: a shorter graph, the same bits."""

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime.quantization", reason="onnx is not installed: see training/README.md")

import torch

from xmag_train.export.config import Int8Config
from xmag_train.export.measure import reduced
from xmag_train.export.measure.precision_fidelity import embed, open_graph
from xmag_train.export.measure.reduced import quantise_student
from xmag_train.networks.onnx_export import export_onnx, fold_batch_norms
from xmag_train.networks.students.lite0 import Student

TILES = np.random.default_rng(5).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)


def graph_of(side_px: int, folder) -> onnx.ModelProto:
    torch.manual_seed(0)
    student = fold_batch_norms(Student(side_px=side_px).eval())
    names = ["embedding", "tokens"]
    export_onnx(
        student, torch.from_numpy(TILES[:2]), folder / "s.onnx", graph="s", input_name="tiles", output_names=names
    )
    return onnx.load(folder / "s.onnx")


@pytest.mark.parametrize(("side_px", "shorter"), [(224, True), (160, False)])
def test_the_bits_are_the_same(tmp_path, monkeypatch, side_px: int, shorter: bool) -> None:
    monkeypatch.setattr(reduced, "shrink_by_codes", lambda *_: None)
    graph = graph_of(side_px, tmp_path)
    found = quantise_student(graph, TILES, Int8Config())
    monkeypatch.setattr(reduced, "take_pixels_as_codes", lambda *_: None)
    plain = quantise_student(graph, TILES, Int8Config())
    scaled = [sum(node.op_type in ("Cast", "Sub", "Mul") for node in each.graph.node) for each in (found, plain)]
    assert (scaled[0] == 0 and scaled[1] >= 3) if shorter else scaled[0] == scaled[1]
    first, second = (embed(open_graph(each.SerializeToString(), 1), TILES) for each in (found, plain))
    np.testing.assert_array_equal(first, second)
    assert first.std() > 0
