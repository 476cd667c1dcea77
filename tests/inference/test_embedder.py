from pathlib import Path

import numpy as np
import pytest

from app.errors import InferenceFailedError
from app.inference.embedder import Batching, Embedder
from app.inference.manifest import Manifest, load_manifest
from app.inference.model import Model
from app.inference.session import Array, DeviceMemoryError, TensorSpec
from tests.inference.fake_graph import FakeGraph
from tests.inference.small_device import AS_ON_CUDA, on_small_device

INPUTS = {"tiles": TensorSpec("tensor(uint8)", (None, 224, 224, 3))}
OUTPUTS = {
    "embedding": TensorSpec("tensor(float)", (None, 1280)),
    "tokens": TensorSpec("tensor(float)", (None, 4, 4, 1280)),
}
ANY = Batching((4,), is_padded=False, lanes=1, niceness=0)


@pytest.fixture
def manifest(model_folder: Path) -> Manifest:
    return load_manifest(model_folder)


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [0, 1, 5, 16, 19])
def test_any_number_of_tiles(count: int, model: Model) -> None:
    embeddings, tokens = model.embedder.embed_with_tokens(noise(count))
    assert (embeddings.shape, embeddings.dtype) == ((count, 1280), np.dtype(np.float32))
    assert (tokens.shape, tokens.dtype) == ((count, 4, 4, 1280), np.dtype(np.float32))


def test_batches_say_how_much_room_they_had(model: Model) -> None:
    assert model.embedder.batch_tiles == 4
    assert [model.embedder.room(tiles) for tiles in (0, 1, 4, 19)] == [0, 4, 4, 20]


def test_where_sizes_are_fixed_a_batch_is_padded_to_the_next(model: Model, manifest: Manifest) -> None:
    graph = FakeGraph(INPUTS, OUTPUTS, lambda feeds: {"embedding": model.embedder.embed(feeds["tiles"])})
    embedder = Embedder(graph, manifest, Batching((2, 4, 8), is_padded=True, lanes=1, niceness=0))
    tiles = noise(11)
    np.testing.assert_array_equal(embedder.embed(tiles), model.embedder.embed(tiles))
    assert graph.rows == [8, 4]
    for count, sizes in ((0, []), (1, [2]), (2, [2]), (5, [8]), (8, [8]), (10, [8, 2])):
        graph.rows.clear()
        assert embedder.embed(tiles[:count]).shape == (count, 1280)
        assert (graph.rows, embedder.room(count)) == (sizes, sum(sizes))


@pytest.mark.parametrize(
    ("most", "batching", "asked"),
    [
        (64, AS_ON_CUDA, [256, 64, 16]),
        (16, AS_ON_CUDA, [256, 64, 16, 16, 16, 16, 16]),
        (1, ANY, [4, 2, 1, 1, 2, 1, 1] * 16 + [2, 1, 1]),
    ],
)
def test_a_batch_that_does_not_fit_is_split_as_often_as_it_takes(
    most: int, batching: Batching, asked: list[int], model: Model
) -> None:
    small, graph = on_small_device(model, most, batching)
    tiles = noise(66)
    np.testing.assert_array_equal(small.embedder.embed(tiles), model.embedder.embed(tiles))
    assert graph.asked == asked
    assert small.embedder.splits() == sum(size > most for size in asked)
    assert small.embedder.splits() == 0


def test_without_memory_for_the_smallest_batch_it_fails(model: Model) -> None:
    small, graph = on_small_device(model, most=15)
    with pytest.raises(DeviceMemoryError):
        small.embedder.embed(noise(20))
    assert graph.asked == [64, 16]


def test_an_order_is_64_tiles_at_most(model: Model) -> None:
    assert on_small_device(model, 256)[0].embedder.order_tiles == 64
    assert model.embedder.order_tiles == 4


def test_a_tile_has_the_same_embedding_alone_and_in_any_batch(model: Model) -> None:
    tiles = noise(16)
    together = model.embedder.embed(tiles)
    for index in (0, 7, 15):
        alone = model.embedder.embed(tiles[index : index + 1])[0]
        np.testing.assert_allclose(alone, together[index], atol=1e-4)
    np.testing.assert_allclose(model.embedder.embed(tiles[::-1]), together[::-1], atol=1e-4)


def test_the_embedding_is_the_mean_of_the_tokens_and_they_are_in_place(model: Model) -> None:
    tile = np.full((1, 224, 224, 3), 240, dtype=np.uint8)
    tile[0, :112, 112:] = noise(1)[0, :112, 112:]  # texture in the upper right quarter alone
    embedding, tokens = model.embedder.embed_with_tokens(tile)
    np.testing.assert_allclose(tokens.mean(axis=(1, 2)), embedding, atol=1e-5)
    plain = tokens[0, 3, 0]
    distance = np.linalg.norm(tokens[0] - plain, axis=2)
    assert np.unravel_index(distance.argmax(), (4, 4)) in [(0, 2), (0, 3), (1, 2), (1, 3)]
    assert distance[:2, 2:].mean() > 2 * distance[2:, :2].mean()


def test_embed_gives_what_embed_with_tokens_gives(model: Model) -> None:
    tiles = noise(3)
    np.testing.assert_array_equal(model.embedder.embed(tiles), model.embedder.embed_with_tokens(tiles)[0])


@pytest.mark.parametrize(
    "tiles",
    [
        np.zeros((2, 224, 224, 3), dtype=np.float32),
        np.zeros((2, 3, 224, 224), dtype=np.uint8),
        np.zeros((224, 224, 3), dtype=np.uint8),
        np.zeros((1, 256, 256, 3), dtype=np.uint8),
        np.zeros((1, 224, 224, 4), dtype=np.uint8),
    ],
)
def test_tiles_of_another_form_are_refused(tiles: np.ndarray, model: Model) -> None:
    with pytest.raises(InferenceFailedError, match="takes uint8 tiles"):
        model.embedder.embed(tiles)


def test_more_tiles_than_a_batch_go_in_batches_and_stay_in_order(manifest: Manifest) -> None:
    def answer(feeds: dict[str, Array]) -> dict[str, Array]:
        first = feeds["tiles"][:, 0, 0, 0].astype(np.float32)
        return {"embedding": np.repeat(first[:, None], 1280, axis=1)}

    graph = FakeGraph(INPUTS, OUTPUTS, answer)
    tiles = np.zeros((10, 224, 224, 3), dtype=np.uint8)
    tiles[:, 0, 0, 0] = np.arange(10)
    embeddings = Embedder(graph, manifest, ANY).embed(tiles)
    assert graph.rows == [4, 4, 2]
    np.testing.assert_array_equal(embeddings[:, 5], np.arange(10, dtype=np.float32))


@pytest.mark.parametrize(
    ("embedding", "told"),
    [
        (np.full((1, 1280), np.nan, dtype=np.float32), "not finite"),
        (np.full((1, 1280), np.inf, dtype=np.float32), "not finite"),
        (np.zeros((1, 1024), dtype=np.float32), "not float32"),
        (np.zeros((2, 1280), dtype=np.float32), "not float32"),
        (np.zeros((1, 1280), dtype=np.float64), "not float32"),
    ],
)
def test_outputs_that_break_the_contract_are_refused(embedding: np.ndarray, told: str, manifest: Manifest) -> None:
    graph = FakeGraph(INPUTS, OUTPUTS, lambda _: {"embedding": embedding})
    with pytest.raises(InferenceFailedError, match=told):
        Embedder(graph, manifest, ANY).embed(np.zeros((1, 224, 224, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("inputs", "outputs", "told"),
    [
        ({"tiles": TensorSpec("tensor(float)", (None, 224, 224, 3))}, OUTPUTS, "tiles"),
        ({"tiles": TensorSpec("tensor(uint8)", (None, 3, 224, 224))}, OUTPUTS, "tiles"),
        ({}, OUTPUTS, "tiles"),
        (INPUTS, {**OUTPUTS, "embedding": TensorSpec("tensor(float)", (None, 768))}, "embedding"),
        (INPUTS, {"embedding": OUTPUTS["embedding"]}, "tokens"),
    ],
)
def test_a_graph_of_another_form_is_refused_at_once(
    inputs: dict[str, TensorSpec], outputs: dict[str, TensorSpec], told: str, manifest: Manifest
) -> None:
    with pytest.raises(InferenceFailedError, match=told):
        Embedder(FakeGraph(inputs, outputs, lambda _: {}), manifest, ANY)
