"""The shipped student for tools that want a torch module: student.onnx behind one. Import before torchvision."""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch

MODEL = Path(__file__).resolve().parents[2] / "models" / "xmag-lite0" / "student.onnx"
TILE_PX, MPP, THREADS, WORKERS, BATCH = 224, 2.0, 2, 2, 32

# The registry's torchvision does not find its operators beside a CPU build of torch: they are declared, never called.
_declared = torch.library.Library("torchvision", "DEF")
_declared.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_declared.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


class Student(torch.nn.Module):
    """Tiles [n, 224, 224, 3] of 0 to 255, or [n, 3, 224, 224] → float32 [n, D], computed by onnxruntime in fp32."""

    def __init__(self) -> None:
        super().__init__()
        self.parameter = torch.nn.Parameter(torch.zeros(1))  # some tools ask a model's parameters for its device
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        # As in the service: threads that wait leave the cores to the processes that load.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        pixels = tiles.numpy(force=True)
        if pixels.shape[1] == 3:
            pixels = pixels.transpose(0, 2, 3, 1)
        pixels = np.ascontiguousarray(pixels.astype(np.uint8))
        return torch.from_numpy(self._session.run(["embedding"], {"tiles": pixels})[0])


def pixels_of(image: object) -> torch.Tensor:
    """A transform: the picture's own pixels, uint8 [3, 224, 224]; scaling is part of the student."""
    pixels = np.array(image)
    return torch.from_numpy(pixels if pixels.shape[0] == 3 else pixels[..., :3].transpose(2, 0, 1).copy())


def time_slides(features_of: Callable[[Path], tuple[int, ...]], *packages: str) -> None:
    """Each slide of the command line through ``features_of``, which gives the features' shape: a line each, which
    compare.py reads."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    for slide in sys.argv[1:]:
        start = time.perf_counter()
        features = features_of(Path(slide))
        seconds = time.perf_counter() - start
        if features[1:] != (1280,):
            raise RuntimeError(f"features of shape {features}")
        print(json.dumps({"tiles": features[0], "seconds": seconds, "versions": versions}), flush=True)
