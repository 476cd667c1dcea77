"""The committed model, loaded once; and copies of it to break."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.inference.model import Model, load_model

MODELS = Path(__file__).resolve().parents[2] / "models"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def model_folder() -> Path:
    return MODELS / "xmag-lite0"


@pytest.fixture(scope="session")
def model(model_folder: Path) -> Model:
    return load_model(model_folder, device="cpu", precision="fp32", threads=2)


@pytest.fixture
def copied(tmp_path: Path, model_folder: Path) -> Path:
    """A models folder of one's own, holding a copy of xmag-lite0, its manifest made ``plain``."""
    shutil.copytree(model_folder, tmp_path / "models" / "xmag-lite0")
    rewrite(tmp_path / "models" / "xmag-lite0", plain)
    return tmp_path / "models" / "xmag-lite0"


@pytest.fixture
def document(model_folder: Path) -> dict[str, Any]:
    """The committed manifest as JSON, made ``plain``."""
    found: dict[str, Any] = json.loads((model_folder / "manifest.json").read_text(encoding="utf-8"))
    plain(found)
    return found


def plain(document: dict[str, Any]) -> None:
    """One precision, untrained heads and no measured reading, whatever the committed model has."""
    document["reading"].update(level_tolerance=0.0, decoder_scaling="none", reader_cosine={})
    document["student"] = [variant for variant in document["student"] if variant["precision"] == "fp32"]
    for head in document["heads"]:
        uncalibrated = {"status": "none", "temperature": 1.0, "threshold": None, "n_cases": 0}
        head["calibration"] = {**uncalibrated, "n_cases_rarest_class": 0}
        head.update(trained=False, validated=False, metrics=[])


def rewrite(folder: Path, change: Change) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
