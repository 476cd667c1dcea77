"""Whole slides by a 20x teacher and a 5x student: the same places row by row, for `evaluate` to compare."""

import json
import shutil
import unicodedata
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from slide_painter import load_painter
from typer.testing import CliRunner

from xmag_train.cli import app
from xmag_train.data.cohort.table import write_rows
from xmag_train.embed.config import EmbedConfig, bag_name
from xmag_train.geometry import tiles_20x
from xmag_train.mil import encode
from xmag_train.mil.bags import read_bag
from xmag_train.networks.teachers.registry import build_teacher

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = REPOSITORY / "models" / "xmag-lite0"
TEACHER = {"kind": "teacher", "name": "efficientnet_lite2", "weights": "imagenet"}
STUDENT = {"kind": "student", "name": "efficientnet_lite0", "weights": "imagenet"}
CASES = ("a", "b", "c", "d")
FIELD_PX = 896  # at the slides' 0.5 µm/px


def make_slides(folder: Path) -> dict[str, np.ndarray]:
    """Slides of 2 × 2 fields, two of them glass, in two colours; their pixels."""
    painter = load_painter()
    folder.mkdir()
    painted = {}
    for index, case in enumerate(CASES):
        pixels = painter.he_like(2 * FIELD_PX, 2 * FIELD_PX, 0.5, [(0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0)])
        fade = np.linspace(1.0, 0.8 - 0.1 * (index % 2), 2 * FIELD_PX)[:, None, None]  # no two fields are the same
        stained = np.where(pixels == 244, 1.0, fade) * np.where(
            pixels == 244, 1.0, (1.0, 1.0 - 0.2 * (index // 2), 1.0)
        )
        painted[case] = (pixels * stained).astype(np.uint8)
        painter.write_svs(folder / f"{case}.svs", painted[case], mpp=0.5, levels=(1, 4), compression="raw")
    return painted


def run(root: Path, command: str, **content: object) -> str:
    """A command of xmag-train, as typed, with this config (JSON is YAML); its output."""
    (root / "config.yaml").write_text(json.dumps(content, default=str))
    done = CliRunner().invoke(app, [command, "--config", str(root / "config.yaml")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def model_read_otherwise(folder: Path) -> Path:
    """The committed model, but for its level rule: it never takes a level coarser than asked for."""
    shutil.copytree(MODEL, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["reading"]["level_tolerance"] = 0.0
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_users_slides_by_teacher_and_student_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "fast_on_cpu", lambda network, _: network)  # it pays from some hundred tiles on
    painted = make_slides(tmp_path / "slides")
    place = {"folder": tmp_path / "slides", "model": MODEL, "threads": 1, "device": "cpu"}
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    assert "4 bags made" in run(tmp_path, "embed", **place, encoder=TEACHER, out=teacher)
    assert "0 bags made, 4 kept" in run(tmp_path, "embed", **place, encoder=TEACHER, out=teacher)
    assert "4 bags made" in run(tmp_path, "embed", **place, encoder=STUDENT, out=student)
    assert "4 bags made" in run(tmp_path, "embed", **place, out=tmp_path / "model")
    assert "0 bags made, 4 kept" in run(tmp_path, "embed", **place, out=tmp_path / "model")
    place["model"] = model_read_otherwise(tmp_path / "other")
    assert "4 bags made" in run(tmp_path, "embed", **place, out=tmp_path / "model")
    assert "4 bags made" in run(tmp_path, "embed", **place, precision="int8", out=tmp_path / "model")
    assert "0 bags made, 4 kept" in run(tmp_path, "embed", **place, encoder=STUDENT, out=student)
    (tmp_path / "slides" / "a.svs").touch()
    shutil.copy(tmp_path / "slides" / "c.svs", tmp_path / "slides" / "b.svs")
    assert "1 bags made, 3 kept" in run(tmp_path, "embed", **place, encoder=STUDENT, out=student)
    assert np.array_equal(read_bag(student / "b.h5").features, read_bag(student / "c.h5").features)
    assert "1 bags made, 3 kept" in run(tmp_path, "embed", **place, encoder=TEACHER, out=teacher)

    bag = read_bag(teacher / "a.h5")
    assert bag.coords.tolist() == [[0, 0], [FIELD_PX, FIELD_PX]]  # tissue alone
    network = build_teacher("efficientnet_lite2", "imagenet")
    with torch.inference_mode():
        wanted = network(torch.from_numpy(tiles_20x(painted["a"][FIELD_PX:, FIELD_PX:]))).mean(dim=0)
    np.testing.assert_allclose(bag.features[1], wanted, atol=1e-3)
    with h5py.File(teacher / "a.h5") as file:
        said = dict(file["coords"].attrs)
    assert (said["patch_size"], said["patch_size_level0"], said["target_magnification"]) == (896, 896, 20.0)
    assert bag.encoder()[0] == "teacher:efficientnet_lite2"
    assert np.array_equal(read_bag(student / "a.h5").coords, bag.coords)

    write_rows(tmp_path / "labels.csv", ["slide", "case", "site", "colour"], [(c, c, "s", f"{c > 'b'}") for c in CASES])
    write_rows(tmp_path / "folds.csv", ["case", "fold"], [(case, index % 2) for index, case in enumerate(CASES)])
    task = {
        "kind": "mil",
        "name": "colour",
        "task": "colour",
        "labels": ["False", "True"],
        "labels_csv": tmp_path / "labels.csv",
        "folds_csv": tmp_path / "folds.csv",
        "fit": {"hidden": 4, "epochs": 2},
        "teacher": {"name": "20x teacher", "bags": str(teacher)},
        "student": {"name": "5x student", "bags": str(student)},
        "sampled_tiles": [1],
    }
    run(tmp_path, "evaluate", title="Mine", tasks=[task], out=tmp_path / "report")
    found = json.loads((tmp_path / "report" / "report.json").read_text())["tasks"]["colour"]
    assert {row["arm"] for row in found["retention"]} == {"20x teacher", "5x student"}
    spaces = {row["arm"]: row for row in found["spaces"]}
    assert spaces["5x student"]["instances"] == spaces["20x teacher"]["instances"] == 2 * len(CASES)
    assert 0 < spaces["5x student"]["agreement"]["value"] <= 1
    assert -1 <= spaces["5x student"]["mapped_cosine"]["value"] <= 1


def test_embed_wants_a_network_and_no_precision_of_an_encoder(tmp_path: Path) -> None:
    place = {"folder": tmp_path, "out": tmp_path}
    with pytest.raises(ValidationError, match="give a model or an encoder"):
        EmbedConfig.model_validate(place)
    with pytest.raises(ValidationError, match="precision is of an exported model"):
        EmbedConfig.model_validate({**place, "encoder": TEACHER, "precision": "int8"})


def test_a_slide_that_does_not_say_its_resolution_has_it_from_the_config(tmp_path: Path) -> None:
    painter = load_painter()
    pixels = painter.he_like(2 * FIELD_PX, 2 * FIELD_PX, 0.5, [(0.0, 0.0, 0.5, 0.5)])
    painter.write_svs(tmp_path / "a.svs", pixels, mpp=None, levels=(1, 4))
    place = {"slides": [tmp_path / "a.svs"], "model": MODEL, "threads": 1, "device": "cpu", "out": tmp_path / "bags"}
    assert "1 bags made" in run(tmp_path, "embed", **place, mpp={"a": 0.5})
    assert "0 bags made, 1 kept" in run(tmp_path, "embed", **place, mpp={"a": 0.5})
    assert "1 bags made" in run(tmp_path, "embed", **place, mpp={"a": 0.25})
    with pytest.raises(ValueError, match=r"mpp names slides that are not there: \['b'\]"):
        run(tmp_path, "embed", **place, mpp={"b": 0.5})


def test_a_bag_is_named_as_tables_write_it(tmp_path: Path) -> None:
    names = [tmp_path / unicodedata.normalize(form, "Müller.svs") for form in ("NFD", "NFC")]
    assert bag_name(names[0]) == "Müller"
    with pytest.raises(ValueError, match=r"slides of the same name: \['Müller'\]"):
        EmbedConfig(model=MODEL, out=tmp_path, slides=names).paths()
