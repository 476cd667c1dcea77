"""The driver's own answers, from a stand-in for its library: the same calls, without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
        ({"CUDA": "13010", "CAPABILITY": "70"}, "(13, 1) Stand-in has compute capability 7.0"),
        ({"COUNT": "0"}, "() None no GPU is visible to this process"),
        ({"INIT": "803"}, "() None the NVIDIA driver does not start (cuInit gives error 803)"),
    ],
)
def test_what_the_driver_answers(nvidia_driver: Path, driver: dict[str, str], said: str) -> None:
    environment = {**os.environ, **driver, "LD_LIBRARY_PATH": str(nvidia_driver)}
    answer = subprocess.run([sys.executable, "-c", PROBE], env=environment, check=True, capture_output=True, text=True)
    assert said in answer.stdout
