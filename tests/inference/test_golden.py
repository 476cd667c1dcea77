import hashlib

import numpy as np
import pytest

from app.errors import InferenceFailedError
from app.inference.golden import check_golden, golden_of, golden_tile, golden_values
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


def sign(row: int, component: int) -> int:
    mixed, word = row * 2**32 + component, 2**64
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % word
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % word
    return -1 if (mixed ^ mixed >> 31) % 2 else 1


def test_the_signs_are_the_same_everywhere_and_every_value_has_its_own() -> None:
    signs = np.stack([golden_values(one, 16) for one in np.eye(256)]) * 16
    assert signs.tolist() == [[sign(row, component) for row in range(16)] for component in range(256)]
    assert np.abs(signs.T @ signs - 256 * np.eye(16)).max() < 64


def test_two_values_that_changed_places_are_noticed_among_many_zeros() -> None:
    """The norm stays as it was, and the first values too."""
    embedding = np.zeros(1280, dtype=np.float32)
    embedding[100::9] = np.random.default_rng(0).random(132, dtype=np.float32)
    golden = golden_of(embedding, tolerance=1e-3)
    check_golden(embedding, golden)
    embedding[[100, 101]] = embedding[[101, 100]]
    with pytest.raises(InferenceFailedError):
        check_golden(embedding, golden)


def test_not_a_number_is_noticed() -> None:
    embedding = np.ones(64, dtype=np.float32)
    golden = golden_of(embedding, tolerance=1e-3)
    embedding[63] = np.nan
    with pytest.raises(InferenceFailedError):
        check_golden(embedding, golden)
