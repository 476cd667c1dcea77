"""A teacher run by onnxruntime: on two CPU cores four times as fast as torch (measured with EfficientNet-Lite2)."""

import tempfile
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn

from xmag_train.geometry import TILE_PX
from xmag_train.networks.onnx_export import export_onnx, fold_batch_norms


def teacher_on(device: torch.device, teacher: nn.Module, threads: int) -> nn.Module:
    """The teacher ready to run there, on a CPU as fast as it goes."""
    return fast_on_cpu(teacher, threads) if device.type == "cpu" else teacher.to(device)


def fast_on_cpu(network: nn.Module, threads: int) -> nn.Module:
    """Convolutional networks are run by onnxruntime; a ViT gains nothing there, and may pass ONNX's 2 GiB."""
    convolutional = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    return OnnxTeacher(network, threads) if convolutional else network


class OnnxTeacher(nn.Module):
    """The same function as ``teacher`` (up to rounding, some 1e-5): uint8 [N, 224, 224, 3] → float32 [N, dim]."""

    def __init__(self, teacher: nn.Module, threads: int) -> None:
        super().__init__()
        self._teacher, self._threads = teacher, threads
        self._session: onnxruntime.InferenceSession | None = None

    def forward(self, tiles: Tensor) -> Tensor:
        """Uint8 [N, 224, 224, 3] → float32 [N, dim]. The first call exports, which takes some seconds."""
        if self._session is None:
            self._session = self._start()
        return torch.from_numpy(self._session.run(None, {"tiles": tiles.numpy()})[0])

    def _start(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "teacher.onnx"
            example = torch.zeros((2, TILE_PX, TILE_PX, 3), dtype=torch.uint8)
            model = fold_batch_norms(self._teacher)
            export_onnx(model, example, path, graph="teacher", input_name="tiles", output_names=["embedding"])
            return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
