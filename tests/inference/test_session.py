"""What onnxruntime says when it fails, and what we make of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.errors import InferenceFailedError, ProviderUnavailableError
from app.inference.providers import CPU, CUDA, Provider
from app.inference.runtime import onnxruntime
from app.inference.session import DeviceMemoryError, OnnxGraph
from tests.service import ROOT

GROWTH = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from app.inference.embedder import Batching, Embedder
from app.inference.model import load_model

def resident_mb():
    words = next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()
    return int(words[1]) // 1024

model = load_model(Path(sys.argv[1]), device="cpu", precision="fp32", threads=1)
as_on_cuda = Embedder(model.embedder._graph, model.manifest, Batching((16, 64), is_padded=True, lanes=1, niceness=0))
model = replace(model, embedder=as_on_cuda)
before = resident_mb()
model.warm_up()
warm = resident_mb()
for count in (60, 3, 20, 64, 33):
    model.embedder.embed(np.zeros((count, 224, 224, 3), np.uint8))
print(warm - before, resident_mb() - warm)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory in use is read from /proc, which Linux has")
def test_slides_need_no_more_memory_than_the_warm_up(model_folder: Path) -> None:
    command = [sys.executable, "-c", GROWTH, str(model_folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    warm_mb, growth_mb = map(int, done.stdout.split())
    assert warm_mb > 200
    assert growth_mb < 32


LITTLE_MEMORY = """
import logging, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from app.inference import session
from app.inference.embedder import Batching, Embedder
from app.inference.model import load_model
from app.inference.providers import choose_provider
from app.inference.runtime import onnxruntime as ort

from app.system.logs import configure_logs
configure_logs("warning", "json")
folder = Path(sys.argv[1])
whole = load_model(folder, device="cpu", precision="fp32", threads=1)

arena = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
ort.create_and_register_allocator(arena, ort.OrtArenaCfg({"max_mem": 250 * 2**20, "arena_extend_strategy": 1}))
options = session._options

def limited(threads):
    found = options(threads)
    found.add_session_config_entry("session.use_env_allocators", "1")
    return found

session._options = limited
content = (folder / whole.manifest.variant("fp32").file.name).read_bytes()
graph = session.OnnxGraph(content, "student.onnx", choose_provider("cpu", []), 1)
small = Embedder(graph, whole.manifest, Batching((4, 64), is_padded=True, lanes=1, niceness=0))
tiles = np.random.default_rng(0).integers(0, 256, (70, 224, 224, 3), dtype=np.uint8)
for _ in range(2):
    np.testing.assert_array_equal(small.embed(tiles), whole.embedder.embed(tiles))
print("splits", small.splits(), small.splits())
"""


def test_a_batch_that_does_not_fit_into_memory_is_computed_in_smaller_ones(model_folder: Path) -> None:
    """An arena of onnxruntime's that may not grow stands for a small GPU's."""
    command = [sys.executable, "-c", LITTLE_MEMORY, str(model_folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    logged, counted = done.stderr, done.stdout.splitlines()[-1]
    (event,) = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    assert (event["event"], event["tiles"], event["retry_tiles"]) == ("batch.split", 64, 4)
    assert "Available memory" in event["reason"]
    assert counted == "splits 4 0"  # 70 tiles are two batches, twice


CALL = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:154 std::conditional_t<THRW, void, "
    "onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const char*, "
    "const char*, int) [with ERRTYPE = cudaError; bool THRW = true] "
)
WHERE = " ; GPU=-1 ; hostname=vm ; file=/onnxruntime_src/a.cc ; line=355 ; expr=cudaSetDevice(info_.device_id); \n"
NODE = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv node. Name:'/a/Conv'"
    " Status Message: "
)


class Broken:
    """As onnxruntime's session, but all that it does fails."""

    said = ""

    def __init__(self, *_: object, **__: object) -> None:
        self.run(None, None)

    def run(self, *_: object) -> None:
        raise RuntimeError(self.said)


class BreaksWhileItRuns(Broken):
    def __init__(self, *_: object, **__: object) -> None: ...

    def get_providers(self) -> list[str]:
        return [CPU]

    def get_inputs(self) -> list[object]:
        return []

    get_outputs = get_inputs


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (CALL + "CUDA failure 36: API call is not supported" + WHERE, "CUDA failure 36: API call is not supported."),
        (NODE + CALL + "CUDA failure 700: an illegal access" + WHERE, "CUDA failure 700: an illegal access."),
        (NODE + "CUDNN failure 5003: CUDNN_STATUS_EXECUTION_FAILED" + WHERE, "CUDNN_STATUS_EXECUTION_FAILED."),
        (NODE + "CUDNN_FE failure 8: HEURISTIC_QUERY_FAILED" + WHERE, "CUDNN_FE failure 8: HEURISTIC_QUERY_FAILED."),
        (NODE + "/onnxruntime_src/a.cc:1 void f(int) it broke", ": runtime exception."),
        ("/home/somebody/a.cc it broke", ": RuntimeError."),
    ],
)
def test_a_client_reads_no_host_name_and_no_path_and_the_log_has_the_whole(
    said: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Broken, "said", said)
    messages = []
    monkeypatch.setattr(onnxruntime, "InferenceSession", Broken)
    with capture_logs() as logs:
        for name, error in ((CUDA, ProviderUnavailableError), (CPU, InferenceFailedError)):
            with pytest.raises(error) as caught:
                OnnxGraph(b"", "student.onnx", Provider(name), 1)
            messages.append(caught.value.message)
        monkeypatch.setattr(onnxruntime, "InferenceSession", BreaksWhileItRuns)
        with pytest.raises(InferenceFailedError) as failed:
            OnnxGraph(b"", "student.onnx", Provider(CPU), 1).run([], {})
    for message in (*messages, failed.value.message):
        assert message.endswith(told) and "student.onnx" in message
        assert not any(word in message for word in ("hostname", "vm", "/", "::"))
    assert [event["reason"] for event in logs] == [said] * 3


@pytest.mark.parametrize(
    "said",
    [
        CALL + "CUDA failure 2: out of memory" + WHERE,
        NODE + "CUDNN failure 4002: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED" + WHERE,
        NODE + "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED" + WHERE,
        NODE + "/onnxruntime_src/bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 822083584",
        NODE + "/onnxruntime_src/bfc_arena.cc:360 Available memory of 1358336 is smaller than requested bytes of 2264",
        "std::bad_alloc",
    ],
)
def test_want_of_memory_is_told_from_other_failures(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broken, "said", said)
    monkeypatch.setattr(onnxruntime, "InferenceSession", BreaksWhileItRuns)
    with pytest.raises(DeviceMemoryError, match=r"student\.onnx failed: the device is out of memory\."):
        OnnxGraph(b"", "student.onnx", Provider(CPU), 1).run([], {})
