"""WSInfer: `wsinfer run`, which takes TorchScript alone: the student's graph is rebuilt in torch once, beforehand."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
import onnx.version_converter
import torch
from cpu_student import BATCH, MODEL, MPP, TILE_PX, WORKERS, time_slides
from onnx2torch import convert

DIM = 1280
OPSET = 17  # the latest that onnx2torch takes
CONFIG = {
    "spec_version": "1.0",
    "architecture": "student",
    "num_classes": DIM,
    "patch_size_pixels": TILE_PX,
    "spacing_um_px": MPP,
    "class_names": [f"f{number}" for number in range(DIM)],
    "transform": [{"name": "Resize", "arguments": {"size": TILE_PX}}, {"name": "ToTensor"}],
}


class Scripted(torch.nn.Module):
    """What WSInfer feeds is float [n, 3, 224, 224] of 0 to 1."""

    def __init__(self, graph: torch.nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return self.graph((tiles * 255).round().to(torch.uint8).permute(0, 2, 3, 1))[0]


def rebuilt() -> torch.nn.Module:
    graph = onnx.version_converter.convert_version(onnx.load(MODEL), OPSET)
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "allowzero":  # no shape of the student's has a zero: both readings are the same
                attribute.i = 0
    return convert(graph).eval()


def features_of(slide: Path) -> tuple[int, ...]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "slides").mkdir()
        (Path(folder) / "slides" / slide.name).symlink_to(slide.resolve())
        (Path(folder) / "config.json").write_text(json.dumps(CONFIG))
        command = [sys.executable, str(Path(__file__).with_name("wsinfer_offline.py")), "run"]
        command += ["--wsi-dir", "slides", "--results-dir", "results", "--config", "config.json"]
        command += ["--model-path", str(student), "--batch-size", str(BATCH), "--num-workers", str(WORKERS)]
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
        tables = Path(folder).glob("results/model-outputs-csv/*.csv")
        return sum(len(table.read_text().splitlines()) - 1 for table in tables), DIM


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        student = Path(made) / "student.pt"
        torch.jit.trace(Scripted(rebuilt()), torch.zeros(2, 3, TILE_PX, TILE_PX)).save(student)
        time_slides(features_of, "wsinfer", "torch", "onnx2torch")
