"""The driver's own answers, from a stand-in for its library: the same calls, without a GPU."""

import mmap
import os
import struct
import subprocess
import sys
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.inference.gpu import CODE_FOR, Gpu, GpuProbe, probe_gpus
from app.inference.providers import CUDA
from app.inference.runtime import onnxruntime
from tests.service import ROOT

PROBE = """
from app.inference.gpu import probe_gpus
found = probe_gpus()
print(found.gpus, found.driver_cuda, found.shortfall())
"""


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        ({"CUDA": "13000", "CAPABILITY": "75"}, "(Gpu(name='Stand-in', compute_capability=(7, 5)),) (13, 0) None"),
        ({"CUDA": "12080", "CAPABILITY": "90"}, "(12, 8) the NVIDIA driver serves CUDA up to 12.8 only"),
        ({"CUDA": "13010", "CAPABILITY": "70"}, "(13, 1) Stand-in has compute capability 7.0, for which"),
        ({"COUNT": "0"}, "() None no GPU is visible to this process"),
        ({"INIT": "100"}, "() None no GPU is visible to this process: the NVIDIA driver shows none (error 100)"),
        ({"INIT": "802"}, "() None the NVIDIA driver fails: the GPUs' fabric is not ready (error 802)"),
        ({"INIT": "803"}, "() None the NVIDIA driver fails: its library and its kernel module are of different"),
        ({"INIT": "999"}, "() None the NVIDIA driver fails: unknown error (999). After suspend"),
        ({"GET": "999"}, "() None the NVIDIA driver fails: unknown error (999). After suspend"),
        ({"GET": "46"}, "() None the NVIDIA driver fails: error 46"),
    ],
)
def test_what_the_driver_answers(nvidia_driver: Path, driver: dict[str, str], said: str) -> None:
    environment = {**os.environ, **driver, "LD_LIBRARY_PATH": str(nvidia_driver)}
    answer = subprocess.run([sys.executable, "-c", PROBE], env=environment, check=True, capture_output=True, text=True)
    assert said in answer.stdout


@pytest.mark.skipif(find_library("cuda") is not None, reason="this machine has an NVIDIA driver")
def test_a_machine_without_a_driver_is_told_from_one_without_a_gpu() -> None:
    shortfall = probe_gpus().shortfall()
    assert shortfall is not None and "(libcuda.so.1) is missing" in shortfall


@pytest.mark.parametrize(
    ("capability", "is_usable"),
    [
        *[(capability, True) for capability in ((7, 5), (8, 0), (8, 6), (8, 7), (8, 9), (9, 0), (12, 0), (12, 1))],
        *[(capability, False) for capability in ((6, 1), (7, 0), (7, 2), (10, 0), (10, 3), (11, 0), (13, 0))],
    ],
)
def test_a_gpu_that_the_wheel_has_no_code_for_is_refused(capability: tuple[int, int], is_usable: bool) -> None:
    shortfall = GpuProbe((Gpu("One", capability),), (13, 0)).shortfall()
    assert (shortfall is None) == is_usable


def test_the_list_is_of_the_version_that_is_installed() -> None:
    """After an update: install the extra `gpu`, run the next test, and correct the list and the documentation."""
    assert "\nonnxruntime-gpu==1.31.1 " in (ROOT / "requirements" / "gpu.txt").read_text()


def test_the_list_is_what_the_wheel_has() -> None:
    package = find_spec("onnxruntime")
    assert package is not None and package.origin is not None
    library = Path(package.origin).parent / "capi" / "libonnxruntime_providers_cuda.so"
    if not library.exists():
        pytest.skip("the installed onnxruntime is the CPU build")
    assert code_in(library) == set(CODE_FOR)


LOAD = """
from pathlib import Path
from app.errors import ProviderUnavailableError
from app.inference.model import load_model
from app.system.logs import configure_logs
configure_logs("warning", "json")
try:
    load_model(Path("models/xmag-lite0"), device="cuda")
except ProviderUnavailableError as error:
    print(error.message)
"""


@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="onnxruntime is the CPU build")
def test_cudas_libraries_load_and_what_they_say_is_worded(nvidia_driver: Path) -> None:
    """They get as far as cudaSetDevice, which the stand-in does not serve."""
    environment = {**os.environ, "CUDA": "13000", "CAPABILITY": "90", "LD_LIBRARY_PATH": str(nvidia_driver)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout == (
        "CUDA does not start with student.fp16.onnx: "
        "CUDA failure 36: API call is not supported in the installed CUDA driver.\n"
    )
    assert "expr=cudaSetDevice" in done.stderr


def code_in(library: Path) -> set[tuple[int, int]]:
    """Compute capabilities of the machine code in a library's fat binaries. AssertionError where one holds PTX."""
    capabilities = set()
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(b"\x50\xed\x55\xba")
        while at >= 0:
            version, header, size = struct.unpack_from("<HHQ", content, at + 4)
            at, end = at + 4, at + header + size
            if (version, header) == (1, 16) and end <= len(content):
                part = at - 4 + header
                while part < end:
                    kind, _, part_header, part_size = struct.unpack_from("<HHIQ", content, part)
                    (capability,) = struct.unpack_from("<I", content, part + 28)
                    assert kind == 2, f"kind {kind}: 1 would be PTX"
                    capabilities.add(divmod(capability, 10))
                    part += part_header + part_size
                at = end
            at = content.find(b"\x50\xed\x55\xba", at)
    return capabilities
