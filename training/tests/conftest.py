"""The tests of training want its whole environment: without it they fail at once, and never skip."""

import importlib.util
import os

import pytest

NEEDED = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "lightning_fabric",
    "torchmil",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "openslide",
    "h5py",
    "matplotlib",
    "sklearn",
)


def pytest_configure() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise pytest.UsageError(f"not installed: {', '.join(missing)}. Run `make train-test`, which sets them up")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests start
