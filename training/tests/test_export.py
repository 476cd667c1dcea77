"""The written folder: the same as torch, the same each time, and accepted by the service."""

import copy
import os
from pathlib import Path

import numpy as np
import pytest

from xmag_train.geometry import TILE_PX

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

import onnx
from PIL import Image
from torch import nn
from untrained_model import untrained_spec

from app.inference.manifest import load_manifest, verify_files
from app.inference.model import Model, load_model
from xmag_train.export.measure.parity import head_parity, student_parity
from xmag_train.export.measure.precision_fidelity import open_graph
from xmag_train.export.package import write_model
from xmag_train.networks.imagenet import load_imagenet
from xmag_train.networks.onnx_export import fold_batch_norms
from xmag_train.networks.students.lite0 import Student

REPOSITORY = Path(__file__).resolve().parents[2]
REGION_PX = 896  # at 0.5 µm/px: exactly one 5x tile


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "xmag-lite0"
    write_model(untrained_spec(seed=0, commit="test"), out)
    return out


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_model(folder, device="cpu", threads=2)


@pytest.fixture(scope="module")
def student() -> Student:
    return load_imagenet(Student())


def real_tiles(count: int) -> np.ndarray:
    """uint8 [count, 224, 224, 3], each from another slide."""
    data = Path(os.environ.get("XMAG_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    slides = sorted((data / "atlas" / "regions").glob("*"))[:count]
    if len(slides) < count:
        if os.environ.get("REQUIRE") == "1":
            pytest.fail(f"REQUIRE=1, but there are no atlas regions in {data / 'atlas' / 'regions'}")
        pytest.skip(f"the atlas regions are not there: {data / 'atlas' / 'regions'}")
    regions = [Image.open(sorted(slide.glob("*.jpg"))[0]).convert("RGB") for slide in slides]
    assert all(region.size == (REGION_PX, REGION_PX) for region in regions)
    return np.stack([np.asarray(region.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)) for region in regions])


def compare(model: Model, student: Student, tiles: np.ndarray) -> float:
    embeddings, tokens = model.embedder.embed_with_tokens(tiles)
    with torch.inference_mode():
        wanted_embeddings, wanted_tokens = student(torch.from_numpy(tiles))
    return max(
        float(np.abs(embeddings - wanted_embeddings.numpy()).max()), float(np.abs(tokens - wanted_tokens.numpy()).max())
    )


def test_the_student_equals_torch_on_noise(model: Model, student: Student) -> None:
    tiles = np.random.default_rng(3).integers(0, 256, (5, TILE_PX, TILE_PX, 3), dtype=np.uint8)
    assert compare(model, student, tiles) < 1e-4


def test_the_student_equals_torch_on_real_tissue(model: Model, student: Student) -> None:
    difference = compare(model, student, real_tiles(16))
    print(f"largest difference on 16 real tiles: {difference:.2g}")
    assert difference < 1e-4


def test_real_slides_differ_from_each_other(model: Model) -> None:
    embeddings = model.embedder.embed(real_tiles(16))
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.triu_indices(16, k=1)]
    assert 0.0 < np.median(cosines) < 0.9


def test_the_head_equals_torch(model: Model) -> None:
    spec = untrained_spec(seed=0, commit="test")
    bag = np.random.default_rng(3).random((30, 1280), dtype=np.float32)
    found = model.heads["malignancy"].run(bag)
    with torch.inference_mode():
        wanted = spec.heads[0].module(torch.from_numpy(bag))
    np.testing.assert_allclose(found.logits, wanted.logits, atol=1e-5)
    np.testing.assert_allclose(found.attention, wanted.attention, atol=1e-6)
    np.testing.assert_allclose(found.tile_scores, wanted.tile_scores, atol=1e-5)


def test_parity_on_given_tiles_is_of_every_output_and_refuses_another_network(folder: Path, student: Student) -> None:
    tiles = np.random.default_rng(3).integers(0, 256, (5, TILE_PX, TILE_PX, 3), dtype=np.uint8)
    session = open_graph((folder / "student.onnx").read_bytes(), 1)
    found = student_parity(session, student, tiles)
    assert found.inputs == 5 and 0.0 < found.largest < 1e-4 and found.cosine_min > 0.999999
    other = copy.deepcopy(student)
    with torch.no_grad():
        next(other.parameters()).mul_(1.01)
    with pytest.raises(ValueError, match=r"the student.s graph differs from torch by .* on held-out tiles"):
        student_parity(session, other, tiles)

    head, other_head = (untrained_spec(seed=seed, commit="test").heads[0].module for seed in (0, 1))
    graph = open_graph((folder / "malignancy.onnx").read_bytes(), 1)
    bags = [np.random.default_rng(size).random((size, 1280)) for size in (3, 7)]
    of_head = head_parity(graph, head, bags)
    assert of_head.inputs == 2 and of_head.largest < 1e-5 and of_head.cosine_min is None
    with pytest.raises(ValueError, match="a head's graph differs"):
        head_parity(graph, other_head, bags)


def test_a_second_export_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "xmag-lite0"
    write_model(untrained_spec(seed=0, commit="test"), again)
    assert {p.name: p.read_bytes() for p in again.iterdir()} == {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_folder_of_another_name_is_refused_and_graphs_of_an_earlier_export_go(folder: Path, tmp_path: Path) -> None:
    spec = untrained_spec(seed=0, commit="test")
    with pytest.raises(ValueError, match=r"mine is not named as the model: name a folder …/xmag-lite0"):
        write_model(spec, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    again = tmp_path / "xmag-lite0"
    again.mkdir()
    for left in ("student.int8.onnx", "notes.txt"):
        (again / left).write_text("from before")
    write_model(spec, again)
    assert {path.name for path in again.iterdir()} == {path.name for path in folder.iterdir()} | {"notes.txt"}


def test_the_committed_model_is_whole_and_its_card_tells_the_manifests_figures() -> None:
    committed = REPOSITORY / "models" / "xmag-lite0"
    manifest = load_manifest(committed)
    verify_files(committed, manifest)
    card = (committed / "MODEL_CARD.md").read_text(encoding="utf-8")
    known = {file.name for file in manifest.files()} | {"manifest.json", "MODEL_CARD.md"}
    assert {path.name for path in committed.iterdir()} == known  # self-contained: no *.onnx.data beside a graph
    for head in manifest.heads:
        assert head.task in card
        for metric in head.metrics:
            assert f"{metric.value:.3f}" in card and f"{metric.ci_low:.3f} to {metric.ci_high:.3f}" in card
    for variant in manifest.student:
        assert variant.fidelity is None or f"{variant.fidelity.cosine_median:.4f}" in card


def test_the_graphs_name_no_place_and_no_time(folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        content = path.read_bytes()
        assert str(REPOSITORY).encode() not in content
        assert b"site-packages" not in content and b".py" not in content
        proto = onnx.load_from_string(content)
        assert not proto.metadata_props and not any(node.metadata_props for node in proto.graph.node)
        assert not any(tensor.external_data for tensor in proto.graph.initializer)
        assert "BatchNormalization" not in {node.op_type for node in proto.graph.node}


def test_folding_leaves_no_batch_norm_and_the_same_numbers(student: Student) -> None:
    folded = fold_batch_norms(student)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    tile = torch.randint(0, 256, (2, TILE_PX, TILE_PX, 3), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(folded(tile)[0], student(tile)[0], atol=1e-4, rtol=1e-4)
