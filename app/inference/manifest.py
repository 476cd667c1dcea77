"""models/<name>/manifest.json: what a model is, what it was measured to do, and how it wants its tiles.

Imports without onnxruntime, so that training and the API can read it. Unknown keys are refused: a manifest
that says more than this reader knows was written for another version. Messages name the folder, never its path.
"""

import hashlib
import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from app.errors import ManifestInvalidError, ModelFileChangedError
from app.inference.manifest_parts import (
    Calibration,
    Domain,
    Fidelity,
    Golden,
    Head,
    Metric,
    ModelFile,
    Part,
    Precision,
    Provenance,
    Reading,
    Text,
    Variant,
)

__all__ = [
    "MANIFEST_NAME",
    "NAME_PATTERN",
    "Calibration",
    "Domain",
    "Fidelity",
    "Golden",
    "Head",
    "Manifest",
    "Metric",
    "ModelFile",
    "Precision",
    "Provenance",
    "Reading",
    "Variant",
    "load_manifest",
    "read_manifest",
    "read_verified",
    "verify_files",
]

MANIFEST_NAME = "manifest.json"
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"
_SHOWN_FAULTS = 5


class Manifest(Part):
    """The whole of manifest.json.

    ``tile_px`` and ``mpp``: side and resolution of the input tile (224 px at 2.0 µm/px).
    """

    schema_version: Literal[1]
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
    version: Text
    tile_px: int = Field(ge=32, le=1024)
    mpp: float = Field(gt=0.0)
    embedding_dim: int = Field(ge=1)
    tissue_min: float = Field(gt=0.0, le=1.0)
    reading: Reading
    domain: Domain
    student: list[Variant] = Field(min_length=1)
    heads: list[Head] = Field(min_length=1)
    provenance: Provenance

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        precisions = [variant.precision for variant in self.student]
        if "fp32" not in precisions or len(set(precisions)) != len(precisions):
            raise ValueError("exactly one variant per precision, fp32 among them")
        tasks = [head.task for head in self.heads]
        if len(set(tasks)) != len(tasks):
            raise ValueError("two heads of the same task")
        names = [file.name for file in self.files()]
        if len(set(names)) != len(names) or MANIFEST_NAME in names:
            raise ValueError("every variant and head needs a file of its own")
        student = self.variant("fp32").file.sha256
        for head in self.heads:
            if head.student_sha256 != student:
                raise ValueError(f"head {head.task} was trained on another student")
        for variant in self.student:
            squares = math.fsum(value * value for value in variant.golden.values)
            if len(variant.golden.values) > self.embedding_dim or squares > variant.golden.norm**2 * 1.01:
                raise ValueError(f"variant {variant.precision}: golden values exceed the embedding")
        return self

    def files(self) -> list[ModelFile]:
        """Every file that computes: the student's variants, then the heads."""
        return [variant.file for variant in self.student] + [head.file for head in self.heads]

    def variant(self, precision: str) -> Variant:
        """The student's variant of that precision; KeyError if the model has none."""
        for variant in self.student:
            if variant.precision == precision:
                return variant
        raise KeyError(precision)

    def head(self, task: str) -> Head:
        """The head of that task; KeyError if the model has none."""
        for head in self.heads:
            if head.task == task:
                return head
        raise KeyError(task)


def load_manifest(folder: Path) -> Manifest:
    """The manifest of ``folder``. ManifestInvalidError names each key at fault."""
    return read_manifest(folder)[0]


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest and the sha256 of the very bytes it was read from. Raises as ``load_manifest``."""
    where = f"{folder.name}/{MANIFEST_NAME}"
    try:
        content = (folder / MANIFEST_NAME).read_bytes()
    except OSError as error:
        raise ManifestInvalidError(f"{where} cannot be read: {error.strerror}.") from error
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ManifestInvalidError(f"{where} is not valid: {_faults(error)}.") from error
    return manifest, hashlib.sha256(content).hexdigest()


def read_verified(folder: Path, file: ModelFile) -> bytes:
    """The bytes of ``file``, once they have its sha256. ModelFileChangedError if missing or different."""
    where = f"{folder.name}/{file.name}"
    try:
        content = (folder / file.name).read_bytes()
    except OSError as error:
        raise ModelFileChangedError(f"{where} cannot be read: {error.strerror}. Restore the model's folder.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise ModelFileChangedError(
            f"{where} is not the file of the manifest: its sha256 is {found[:12]}…, expected {file.sha256[:12]}…. "
            "Restore the model's folder."
        )
    return content


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Hold every file of ``manifest`` to its sha256. ModelFileChangedError for the first that is not right."""
    for file in manifest.files():
        read_verified(folder, file)


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    told = []
    for fault in faults[:_SHOWN_FAULTS]:
        key = ".".join(str(step) for step in fault["loc"])
        sentence = fault["msg"].removeprefix("Value error, ")
        told.append(f"key {key}: {sentence}" if key else sentence)
    if len(faults) > _SHOWN_FAULTS:
        told.append(f"and {len(faults) - _SHOWN_FAULTS} more")
    return "; ".join(told)
