"""fp16 is the same student in half the bytes, and the service takes it."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xmag_train.geometry import TILE_PX

torch = pytest.importorskip("torch", reason="torch is not installed: see training/README.md")

from PIL import Image
from test_shards import region
from untrained_model import untrained_spec

from app.errors import InferenceFailedError
from app.inference.golden import check_golden, golden_tile
from app.inference.model import load_model
from xmag_train.export.measure.precision_fidelity import Judge, cosines, reference_of, score_change
from xmag_train.export.measure.reduced import make_fp16
from xmag_train.export.measure.tiles import TileSet
from xmag_train.export.package import ReducedVariant, write_model

SPEC = untrained_spec(seed=0, commit="test")
HEADS = {head.task: Judge(head.module, head.calibration.temperature) for head in SPEC.heads}


def noise(number: int) -> bytes:
    blocks = np.random.default_rng(number).integers(0, 256, (56, 56, 3), dtype=np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(blocks).resize((896, 896), Image.Resampling.NEAREST).save(jpeg, "JPEG")
    return jpeg.getvalue()


@pytest.fixture(scope="module")
def held_out() -> TileSet:
    return TileSet(tuple(replace(region(number), jpeg=noise(number)) for number in range(5)))


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fp32") / "xmag-lite0"
    write_model(SPEC, out)
    return out


@pytest.fixture(scope="module")
def variant(fp32: Path, held_out: TileSet) -> ReducedVariant:
    return make_fp16(reference_of((fp32 / "student.onnx").read_bytes(), held_out, HEADS, threads=1))


def test_half_the_bytes_and_nearly_the_same_embeddings(fp32: Path, held_out: TileSet, variant: ReducedVariant) -> None:
    graph = (fp32 / "student.onnx").read_bytes()
    assert len(variant.graph) < 0.55 * len(graph)
    assert variant == make_fp16(reference_of(graph, held_out, HEADS, threads=1))
    fidelity = variant.fidelity
    assert 0.999 < fidelity.cosine_min <= fidelity.cosine_median and (fidelity.n_tiles, fidelity.n_slides) == (5, 1)
    assert fidelity.score_change_max is not None and 0.0 < fidelity.score_change_max < 0.01


def test_a_scores_change_is_told_at_the_heads_temperature() -> None:
    class FirstTwo(torch.nn.Module):
        def forward(self, bag: torch.Tensor) -> tuple[torch.Tensor]:
            return (bag.mean(dim=0)[:2],)

    first, second = np.array([[0.0, 0.0]]), np.array([[0.0, 3.0]])
    for temperature in (1.0, 3.0):
        found = score_change({"h": Judge(FirstTwo(), temperature)}, first, second, ["s"])
        assert found == pytest.approx(1 / (1 + np.exp(-3.0 / temperature)) - 0.5)


def test_the_service_runs_it_where_it_is_asked_for(
    fp32: Path, held_out: TileSet, variant: ReducedVariant, tmp_path: Path
) -> None:
    write_model(replace(SPEC, reduced=[variant]), tmp_path / "xmag-lite0")
    half = load_model(tmp_path / "xmag-lite0", device="cpu", precision="fp16", threads=2)
    assert half.precision == "fp16"
    assert load_model(tmp_path / "xmag-lite0", device="cpu").precision == "fp32"  # a CPU gains nothing by it
    full = load_model(fp32, device="cpu", threads=2)
    found, wanted = (each.embedder.embed(held_out.tiles()).astype(np.float64) for each in (half, full))
    assert cosines(found, wanted).min() >= variant.fidelity.cosine_min


def test_its_golden_tile_allows_for_rounding_and_not_for_another_answer(
    fp32: Path, variant: ReducedVariant, tmp_path: Path
) -> None:
    """A GPU rounds to fp16 too, but sums in another order: as far off as fp32 is, not more."""
    write_model(replace(SPEC, reduced=[variant]), tmp_path / "xmag-lite0")
    golden = load_model(tmp_path / "xmag-lite0", device="cpu", precision="fp16", threads=1).golden
    full, tile = load_model(fp32, device="cpu", threads=1), golden_tile(TILE_PX)[None]
    check_golden(full.embedder.embed(tile)[0], golden)
    with pytest.raises(InferenceFailedError, match="golden tile"):
        check_golden(full.embedder.embed(np.ascontiguousarray(tile[:, ::-1]))[0], golden)
