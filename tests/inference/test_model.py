import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InferenceFailedError, ModelFileChangedError, ProviderUnavailableError, SetupError
from app.inference.golden import golden_tile
from app.inference.manifest import read_manifest
from app.inference.model import Model, load_model
from app.inference.processor import int8_is_exact
from app.inference.providers import CPU, CUDA, Provider
from app.inference.runtime import onnxruntime
from app.inference.session import OnnxGraph
from tests.inference.conftest import rewrite


def replace_student(folder: Path, content: bytes) -> None:
    """Another student under a manifest that vouches for it."""
    (folder / "student.onnx").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()

    def change(document: dict[str, Any]) -> None:
        document["student"][0]["file"]["sha256"] = sha256
        for head in document["heads"]:
            head["student_sha256"] = sha256

    rewrite(folder, change)


def test_it_says_what_it_is(model: Model, model_folder: Path) -> None:
    manifest, sha256 = read_manifest(model_folder)
    assert model.manifest == manifest
    assert model.manifest_sha256 == sha256
    assert (model.precision, model.provider) == ("fp32", CPU)
    assert set(model.heads) == {"malignancy"}
    assert (model.embedder.batch_tiles, model.embedder.lanes) == (4, 2)
    model.warm_up()


def test_a_changed_file_is_not_loaded(copied: Path) -> None:
    (copied / "malignancy.onnx").write_bytes(b"something else")
    with pytest.raises(ModelFileChangedError):
        load_model(copied, device="cpu")


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9])
def test_changed_weights_fail_the_golden_tile_even_when_the_manifest_vouches_for_them(
    where: float, copied: Path
) -> None:
    content = bytearray((copied / "student.onnx").read_bytes())
    start = int(len(content) * where) // 4 * 4
    weights = np.frombuffer(content, dtype=np.uint8)[start : start + 40_000]
    content[start : start + 40_000] = np.roll(weights, 400).tobytes()  # whole float32 values, other places
    replace_student(copied, bytes(content))
    with pytest.raises(InferenceFailedError, match="golden tile"):
        load_model(copied, device="cpu")


def test_another_golden_value_is_noticed(copied: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["student"][0]["golden"]["values"][3] += 0.01

    rewrite(copied, change)
    with pytest.raises(InferenceFailedError, match="golden tile"):
        load_model(copied, device="cpu")


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x0a"])
def test_what_is_not_a_graph_is_refused(content: bytes, copied: Path) -> None:
    replace_student(copied, content)
    with pytest.raises(InferenceFailedError, match=r"cannot load student\.onnx"):
        load_model(copied, device="cpu")


def test_a_head_in_the_students_place_is_refused(copied: Path) -> None:
    content = (copied / "malignancy.onnx").read_bytes()
    replace_student(copied, content)
    with pytest.raises(InferenceFailedError, match="breaks its contract"):
        load_model(copied, device="cpu")


def test_cuda_is_refused_where_there_is_none(model_folder: Path) -> None:
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime is the GPU build: test_providers.py looks at it")
    with pytest.raises(ProviderUnavailableError, match="CPU build"):
        load_model(model_folder, device="cuda")


def test_a_precision_that_the_model_lacks_is_refused(copied: Path) -> None:
    with pytest.raises(SetupError, match="it has fp32"):
        load_model(copied, device="cpu", precision="int8")


def test_int8_answers_the_golden_tile_where_it_is_exact_and_is_refused_elsewhere(model_folder: Path) -> None:
    if int8_is_exact():
        assert load_model(model_folder, device="cpu", precision="int8").precision == "int8"
    else:
        with pytest.raises(SetupError, match="no VNNI"):
            load_model(model_folder, device="cpu", precision="int8")


def test_fp16_is_there_for_gpus_and_answers_here_as_was_measured(model: Model, model_folder: Path) -> None:
    half = load_model(model_folder, device="cpu", precision="fp16", threads=2)
    fidelity = model.manifest.variant("fp16").fidelity
    assert half.precision == "fp16" and fidelity is not None and fidelity.cosine_median > 0.999
    tile = golden_tile(model.manifest.tile_px)[None]
    found, wanted = (each.embedder.embed(tile)[0].astype(np.float64) for each in (half, model))
    assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > fidelity.cosine_min


def test_one_thread_gives_the_same_numbers(model: Model, model_folder: Path) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    single = load_model(model_folder, device="cpu", precision="fp32", threads=1)
    np.testing.assert_array_equal(single.embedder.embed(tiles), model.embedder.embed(tiles))


def test_telemetry_is_off_before_onnxruntime_loads() -> None:
    code = (
        "import builtins, os\n"
        "seen = []\n"
        "load = builtins.__import__\n"
        "def watch(name, *rest):\n"
        "    if name == 'onnxruntime': seen.append(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = watch\n"
        "import app.inference.model\n"
        "assert seen and seen[0] == '1', seen\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_heads_run_on_the_cpu_with_few_threads_whatever_the_student_runs_on(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}

    class Noted(OnnxGraph):
        def __init__(self, content: bytes, label: str, provider: Provider, threads: int) -> None:
            made[label] = (provider.name, threads)
            super().__init__(content, label, Provider(CPU), threads)

    monkeypatch.setattr("app.inference.model.OnnxGraph", Noted)
    monkeypatch.setattr("app.inference.model.choose_provider", lambda *_: Provider(CUDA))
    for threads, most in ((2, 2), (192, 4)):
        on_cuda = load_model(model_folder, precision="fp32", threads=threads)
        assert made == {"student.onnx": (CUDA, 1), "malignancy.onnx": (CPU, most)}
        assert (on_cuda.embedder.batch_sizes, on_cuda.embedder.limit_s) == ((16, 64, 256), 60)
