import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InferenceFailedError
from app.inference.manifest import Head, load_manifest
from app.inference.mil_head import MilHead, activate
from app.inference.model import Model
from app.inference.session import TensorSpec
from tests.inference.fake_graph import FakeGraph

FLOAT = "tensor(float)"
INPUTS = {"embeddings": TensorSpec(FLOAT, (None, 4))}
OUTPUTS = {
    "logits": TensorSpec(FLOAT, (2,)),
    "attention": TensorSpec(FLOAT, (1, None)),
    "tile_scores": TensorSpec(FLOAT, (None, 2)),
}
BAG = np.zeros((3, 4), dtype=np.float32)


@pytest.fixture
def head(model_folder: Path) -> Head:
    return load_manifest(model_folder).head("malignancy")


def bag(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 1280), dtype=np.float32)


def answer(**changed: Any) -> dict[str, np.ndarray]:
    """A right answer for ``BAG``, but for what a test changes."""
    right = {
        "logits": np.array([0.5, -0.5]),
        "attention": np.array([[0.2, 0.3, 0.5]]),
        "tile_scores": np.zeros((3, 2)),
    }
    return {name: np.asarray(changed.get(name, value), dtype=np.float32) for name, value in right.items()}


@pytest.mark.parametrize("count", [1, 2, 37, 2000])
def test_what_a_head_gives(count: int, model: Model) -> None:
    output = model.heads["malignancy"].run(bag(count))
    assert output.attention is not None and output.tile_scores is not None
    assert output.logits.shape == output.probabilities.shape == (2,)
    assert output.attention.shape == (1, count)
    assert output.tile_scores.shape == (count, 2)
    assert output.attention.sum() == pytest.approx(1.0, abs=1e-5)
    assert output.probabilities.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(output.attention @ output.tile_scores, output.logits[None], atol=1e-4)


def test_the_order_of_the_tiles_changes_nothing_but_the_order(model: Model) -> None:
    tiles = bag(50)
    order = np.random.default_rng(1).permutation(50)
    straight, shuffled = model.heads["malignancy"].run(tiles), model.heads["malignancy"].run(tiles[order])
    assert straight.attention is not None and shuffled.attention is not None
    assert straight.tile_scores is not None and shuffled.tile_scores is not None
    np.testing.assert_allclose(shuffled.logits, straight.logits, atol=1e-5)
    np.testing.assert_allclose(shuffled.attention, straight.attention[:, order], atol=1e-6)
    np.testing.assert_allclose(shuffled.tile_scores, straight.tile_scores[order], atol=1e-5)


def test_a_slide_twice_over_scores_the_same_and_halves_the_attention(model: Model) -> None:
    tiles = bag(20)
    once, twice = model.heads["malignancy"].run(tiles), model.heads["malignancy"].run(np.concatenate([tiles, tiles]))
    assert once.attention is not None and twice.attention is not None
    np.testing.assert_allclose(twice.logits, once.logits, atol=1e-5)
    np.testing.assert_allclose(twice.attention[:, :20], once.attention / 2, atol=1e-6)


def test_softmax_and_sigmoid_at_a_temperature(head: Head) -> None:
    logits = np.array([1.0, 3.0], dtype=np.float32)
    softmax = head.model_copy(update={"calibration": head.calibration.model_copy(update={"temperature": 2.0})})
    sigmoid = softmax.model_copy(update={"activation": "sigmoid"})
    np.testing.assert_allclose(activate(logits, softmax)[1], math.exp(1.5) / (math.exp(0.5) + math.exp(1.5)))
    np.testing.assert_allclose(activate(logits, sigmoid), [1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(-1.5))])


def test_huge_logits_do_not_overflow(head: Head) -> None:
    logits = np.array([-3e38, 3e38], dtype=np.float32)
    for activation in ("softmax", "sigmoid"):
        np.testing.assert_allclose(activate(logits, head.model_copy(update={"activation": activation})), [0.0, 1.0])


@pytest.mark.parametrize(
    ("embeddings", "told"),
    [
        (np.zeros((0, 1280), dtype=np.float32), "at least one tile"),
        (np.zeros((3, 768), dtype=np.float32), "takes float32"),
        (np.zeros((3, 1280), dtype=np.float64), "takes float32"),
        (np.zeros(1280, dtype=np.float32), "takes float32"),
        (np.full((3, 1280), np.nan, dtype=np.float32), "not finite"),
    ],
)
def test_embeddings_of_another_form_are_refused(embeddings: np.ndarray, told: str, model: Model) -> None:
    with pytest.raises(InferenceFailedError, match=told):
        model.heads["malignancy"].run(embeddings)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"logits": [np.nan, 0.0]}, "logits that are not finite"),
        ({"logits": [0.0, 0.0, 0.0]}, "gave logits as"),
        ({"attention": [[0.2, 0.3, 0.4]]}, "does not sum to 1"),
        ({"attention": [[-0.5, 0.5, 1.0]]}, "does not sum to 1"),
        ({"attention": [[0.5, 0.5]]}, "gave attention as"),
        ({"attention": [[0.0, np.nan, 1.0]]}, "attention that are not finite"),
        ({"tile_scores": np.zeros((2, 2))}, "gave tile_scores as"),
    ],
)
def test_outputs_that_break_the_contract_are_refused(changed: dict[str, Any], told: str, head: Head) -> None:
    MilHead(FakeGraph(INPUTS, OUTPUTS, lambda _: answer()), head, 4).run(BAG)
    with pytest.raises(InferenceFailedError, match=told):
        MilHead(FakeGraph(INPUTS, OUTPUTS, lambda _: answer(**changed)), head, 4).run(BAG)


def test_attention_for_each_class_and_none_at_all(head: Head) -> None:
    rows = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    outputs = {**OUTPUTS, "attention": TensorSpec(FLOAT, (2, None))}
    per_class = head.model_copy(update={"attention_kind": "per_class"})
    found = MilHead(FakeGraph(INPUTS, outputs, lambda _: answer(attention=rows)), per_class, 4).run(BAG).attention
    np.testing.assert_array_equal(found, rows.astype(np.float32))
    nothing = head.model_copy(update={"attention_kind": "none"})
    plain = MilHead(FakeGraph(INPUTS, {"logits": OUTPUTS["logits"]}, lambda _: answer()), nothing, 4).run(BAG)
    assert plain.attention is None
    assert plain.tile_scores is None


@pytest.mark.parametrize(
    "outputs",
    [
        {"logits": OUTPUTS["logits"]},
        {**OUTPUTS, "logits": TensorSpec(FLOAT, (3,))},
        {**OUTPUTS, "attention": TensorSpec(FLOAT, (2, None))},
        {**OUTPUTS, "tile_scores": TensorSpec(FLOAT, (None, 3))},
    ],
)
def test_a_graph_that_is_not_what_the_manifest_says_is_refused(outputs: dict[str, TensorSpec], head: Head) -> None:
    with pytest.raises(InferenceFailedError, match="breaks its contract"):
        MilHead(FakeGraph(INPUTS, outputs, lambda _: answer()), head, 4)
