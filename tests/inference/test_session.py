"""What onnxruntime says when it fails, and what we make of it."""

import subprocess
import sys
from pathlib import Path

import pytest

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

logging.basicConfig(format="%(message)s", stream=sys.stdout)
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
    logged, counted = done.stdout.splitlines()[0], done.stdout.splitlines()[-1]
    assert logged.startswith("no memory for a batch of 64 tiles, trying 4: ") and "Available memory" in logged
    assert done.stdout.count("no memory") == 1
    assert counted == "splits 4 0"  # 70 tiles are two batches, twice
