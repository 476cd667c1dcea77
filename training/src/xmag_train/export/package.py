"""Write a model's folder: the graphs, the manifest that speaks for them, and the model card.

The graphs are exported, compared with torch, and only then moved into place, the manifest last.
"""

import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from app.inference.golden import golden_of, golden_tile
from app.inference.manifest import (
    MANIFEST_NAME,
    Calibration,
    Domain,
    Fidelity,
    Golden,
    Head,
    Manifest,
    Metric,
    ModelFile,
    Provenance,
    Reading,
    Variant,
)
from xmag_train.files import file_sha256
from xmag_train.geometry import TILE_MPP, TILE_PX
from xmag_train.mil.calibration import ClassShare
from xmag_train.networks.onnx_export import export_onnx, fold_batch_norms
from xmag_train.networks.students.lite0 import embedding_dim_of

ReducedPrecision = Literal["fp16", "int8"]
STUDENT_FILE = "student.onnx"
CARD_FILE = "MODEL_CARD.md"
TISSUE_MIN = 0.10
PARITY_TILES = 4
PARITY_BAG = 50
# Largest difference between torch (float64) and onnxruntime (float32) that an export may show.
PARITY_MAX = 1e-3
# fp32 differs by some 1e-6 between CPUs, and by less than this between CPU and GPU (without TF32).
GOLDEN_TOLERANCE_FP32 = 1e-3
# With fp16 each layer's output is rounded to 11 bits, and a GPU sums in another order before that. With int8 the
# rounding differs where a processor saturates or a sum lies between two steps.
GOLDEN_TOLERANCE: Mapping[ReducedPrecision, float] = {"fp16": 0.05, "int8": 0.1}


@dataclass(frozen=True)
class HeadSpec:
    """A head's weights and everything the manifest says of it, but what only the export can know.

    ``module``: embeddings [N, D] → logits [C], attention [K, N], tile_scores [N, C]. ``class_shares``: for the card.
    """

    task: str
    module: nn.Module
    labels: list[str]
    positive_class: str | None
    bag_size_min: int
    bag_size_max: int
    calibration: Calibration
    metrics: list[Metric]
    intended_use: str
    trained: bool
    validated: bool
    attention_kind: Literal["shared", "none"] = "shared"
    class_shares: Sequence[ClassShare] = ()


@dataclass(frozen=True)
class ReducedVariant:
    """The student in fp16 or int8, made from the very fp32 graph that is written beside it."""

    precision: ReducedPrecision
    graph: bytes
    fidelity: Fidelity


@dataclass(frozen=True)
class ModelSpec:
    """All of a model. ``student`` has the attribute ``embedding_dim``, and gives (embedding, tokens).

    ``graph``: its fp32 graph as ``export_student`` made it, where something was measured on that: that is written.
    """

    name: str
    version: str
    student: nn.Module
    heads: list[HeadSpec]
    reading: Reading
    domain: Domain
    provenance: Provenance
    card: str
    reduced: Sequence[ReducedVariant] = ()
    graph: bytes | None = None


@dataclass(frozen=True)
class Written:
    """What was written: the manifest, and file → largest absolute difference of any output to torch's."""

    manifest: Manifest
    parity: Mapping[str, float]


def write_model(spec: ModelSpec, out: Path) -> Written:
    """Export ``spec`` into the folder ``out`` (made if missing), and remove graphs of an earlier one that it has not.

    ValueError if the folder is not named as the model, or a graph differs from torch.
    """
    check_name(spec.name, out)
    out.mkdir(parents=True, exist_ok=True)
    exact = copy.deepcopy(spec.student).eval().double()
    embedding_dim = embedding_dim_of(spec.student)
    parity: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as name:
        draft = Path(name)
        if spec.graph is None:
            parity[STUDENT_FILE] = export_student(spec.student, draft / STUDENT_FILE)
        else:
            (draft / STUDENT_FILE).write_bytes(spec.graph)
            parity[STUDENT_FILE] = _student_parity(exact, draft / STUDENT_FILE)
        student = _file(draft / STUDENT_FILE)
        variants = [Variant(precision="fp32", file=student, golden=_golden(exact))]
        variants += [_reduced_entry(variant, draft) for variant in spec.reduced]
        heads = []
        for head in spec.heads:
            path = draft / f"{head.task}.onnx"
            parity[path.name] = export_head(head.module, path, head.task, embedding_dim)
            heads.append(_head_entry(head, _file(path), student.sha256))
        manifest = Manifest(
            schema_version=1,
            name=spec.name,
            version=spec.version,
            tile_px=TILE_PX,
            mpp=TILE_MPP,
            embedding_dim=embedding_dim,
            tissue_min=TISSUE_MIN,
            reading=spec.reading,
            domain=spec.domain,
            student=variants,
            heads=heads,
            provenance=spec.provenance,
        )
        (draft / CARD_FILE).write_text(spec.card, encoding="utf-8")
        (draft / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        for file in [*(part.name for part in manifest.files()), CARD_FILE, MANIFEST_NAME]:
            (draft / file).replace(out / file)
    for left in {path.name for path in out.glob("*.onnx")} - {file.name for file in manifest.files()}:
        (out / left).unlink()
    return Written(manifest, parity)


def check_name(name: str, out: Path) -> None:
    """ValueError where the folder ``out`` is not named as the model: the service would not take it."""
    if out.resolve().name != name:
        raise ValueError(f"{out} is not named as the model: name a folder …/{name}")


def export_student(student: nn.Module, path: Path) -> float:
    """Write the fp32 graph; its largest difference to torch. ValueError if that is too large."""
    exact = copy.deepcopy(student).eval().double()
    export_onnx(
        fold_batch_norms(student),
        torch.zeros((2, TILE_PX, TILE_PX, 3), dtype=torch.uint8),
        path,
        graph="student",
        input_name="tiles",
        output_names=["embedding", "tokens"],
    )
    return _student_parity(exact, path)


def _student_parity(exact: nn.Module, path: Path) -> float:
    random = np.random.default_rng(0).integers(0, 256, (PARITY_TILES, TILE_PX, TILE_PX, 3), dtype=np.uint8)
    return _parity(exact, torch.from_numpy(np.concatenate([random, golden_tile(TILE_PX)[None]])), path)


def export_head(head: nn.Module, path: Path, task: str, dim: int) -> float:
    """Write a head's graph; its largest difference to torch. ValueError if that is too large."""
    export_onnx(
        head,
        torch.zeros((3, dim)),
        path,
        graph=task,
        input_name="embeddings",
        output_names=["logits", "attention", "tile_scores"],
    )
    bag = torch.from_numpy(np.random.default_rng(0).random((PARITY_BAG, dim), dtype=np.float32))
    return _parity(copy.deepcopy(head).double(), bag, path)


def _parity(exact: nn.Module, example: Tensor, path: Path) -> float:
    """Largest absolute difference of the file's outputs to those of ``exact`` (float64)."""
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: example.numpy()})
    with torch.inference_mode():
        wanted = exact(example.double() if example.is_floating_point() else example)
    largest = max(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, wanted, strict=True))
    if not largest <= PARITY_MAX:
        raise ValueError(f"{path.name} differs from torch by {largest:.2g}; allowed is {PARITY_MAX:.2g}")
    return largest


def _golden(exact: nn.Module) -> Golden:
    with torch.inference_mode():
        embedding, _ = exact(torch.from_numpy(golden_tile(TILE_PX)[None]))
    return golden_of(embedding[0].numpy(), GOLDEN_TOLERANCE_FP32)


def _reduced_entry(variant: ReducedVariant, draft: Path) -> Variant:
    path = draft / f"student.{variant.precision}.onnx"
    path.write_bytes(variant.graph)
    session = onnxruntime.InferenceSession(variant.graph, providers=["CPUExecutionProvider"])
    embedding = session.run(["embedding"], {"tiles": golden_tile(TILE_PX)[None]})[0]
    return Variant(
        precision=variant.precision,
        file=_file(path),
        golden=golden_of(embedding[0], GOLDEN_TOLERANCE[variant.precision]),
        fidelity=variant.fidelity,
    )


def _head_entry(head: HeadSpec, file: ModelFile, student_sha256: str) -> Head:
    return Head(
        task=head.task,
        file=file,
        student_sha256=student_sha256,
        labels=head.labels,
        activation="softmax",
        positive_class=head.positive_class,
        attention_kind=head.attention_kind,
        bag_size_min=head.bag_size_min,
        bag_size_max=head.bag_size_max,
        calibration=head.calibration,
        metrics=head.metrics,
        intended_use=head.intended_use,
        trained=head.trained,
        validated=head.validated,
    )


def _file(path: Path) -> ModelFile:
    return ModelFile(name=path.name, sha256=file_sha256(path))
