import hashlib

import numpy as np
import pytest

from app.errors import InferenceFailedError
from app.inference.golden import check_golden, golden_of, golden_tile
from app.inference.model import Model


def test_the_tile_is_the_same_everywhere() -> None:
    tile = golden_tile(224)
    assert (tile.shape, tile.dtype) == ((224, 224, 3), np.dtype(np.uint8))
    assert (
        hashlib.sha256(tile.tobytes()).hexdigest() == "72f2db1a0cf6d9b67259d86ab318b63ceb95b45aee2daab2a61637c5a7ee248b"
    )


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda tile: tile[::-1], id="upside down"),
        pytest.param(lambda tile: tile[:, ::-1], id="mirrored"),
        pytest.param(lambda tile: tile.transpose(1, 0, 2), id="transposed"),
        pytest.param(lambda tile: tile[..., ::-1], id="BGR"),
        pytest.param(lambda tile: np.roll(tile, 4, axis=1), id="shifted by 4 px"),
        pytest.param(lambda tile: tile // 2, id="darker"),
    ],
)
def test_another_tile_is_noticed(changed, model: Model) -> None:
    tile = np.ascontiguousarray(changed(golden_tile(224)))
    with pytest.raises(InferenceFailedError, match="golden tile"):
        check_golden(model.embedder.embed(tile[None])[0], model.golden)


def test_the_committed_student_is_far_inside_its_tolerance(model: Model) -> None:
    embedding = model.embedder.embed(golden_tile(224)[None])[0]
    strict = model.golden.model_copy(update={"tolerance": 5e-5})
    check_golden(embedding, strict)


@pytest.mark.parametrize("index", [0, 15, 700])
def test_a_wrong_value_is_noticed_wherever_it_is(index: int) -> None:
    embedding = np.random.default_rng(0).random(1280, dtype=np.float32)
    golden = golden_of(embedding, tolerance=1e-3)
    check_golden(embedding, golden)
    wrong = embedding.copy()
    wrong[index] += 3.0
    with pytest.raises(InferenceFailedError):
        check_golden(wrong, golden)


def test_not_a_number_is_noticed() -> None:
    embedding = np.ones(64, dtype=np.float32)
    golden = golden_of(embedding, tolerance=1e-3)
    embedding[63] = np.nan
    with pytest.raises(InferenceFailedError):
        check_golden(embedding, golden)
