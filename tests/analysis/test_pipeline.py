"""One slide through one model, on a device with little memory."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.analysis.pipeline import Means, SlideRequest, analyze
from app.inference.device import Device, Filled
from app.inference.model import Model, load_model
from app.slides.sandbox.reader import SlideReader
from tests.inference.small_device import on_small_device
from tests.service import ROOT
from tests.tissue import tissue_slide


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(ROOT / "models" / "xmag-lite0", device="cpu", precision="fp32", threads=2)


def features_of(slide: Path, model: Model, device: Device) -> NDArray[np.float32]:
    with SlideReader() as reader:
        means = Means(model.manifest, lambda: model, reader, device)
        return analyze(SlideRequest(slide), means, lambda *_: None).features


def test_a_slide_is_ordered_in_small_pieces_and_survives_a_device_with_little_memory(
    model: Model, tmp_path: Path
) -> None:
    slide = tissue_slide(tmp_path / "slide.svs", side_px=3136)
    small, graph = on_small_device(model, most=16)
    with closing(Device()) as device:
        usual = features_of(slide, model, device)
        assert len(usual) > 64
        device.filled()
        for _ in range(2):  # the second finds the device as the first left it
            np.testing.assert_array_equal(features_of(slide, small, device), usual)
        filled = device.filled()
        assert filled.tiles == 2 * len(usual) and filled.splits == sum(size > 16 for size in graph.asked) > 0
        assert device.filled() == Filled(0, 0)
    assert {size for size in graph.asked if size <= 16} == {16}
    assert graph.asked[0] == 64  # the first order went as soon as it was read
