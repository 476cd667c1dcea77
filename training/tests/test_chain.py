"""The whole way on a tiny scale: slides → regions → student → bags → head → model → bags of slides → `xmag analyze`."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

for module in ("torch", "lightning_fabric", "openslide", "h5py", "torchmil"):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: see training/README.md", allow_module_level=True)

import h5py
import torch
from slide_painter import load_painter
from typer.testing import CliRunner

from app.inference.manifest import load_manifest
from xmag_train.cli import app
from xmag_train.evaluate.drift import CORPUS_BAG, WHOLE_SLIDE, what_is_whole

REPOSITORY = Path(__file__).resolve().parents[2]
MPP = 0.5
SIDE_PX = 1856  # 2 × 2 regions and a border
CASES = ("a", "b", "c", "d")


def make_slides(folder: Path) -> None:
    """Four slides of two classes that differ in colour, a table of them, and a file that is no slide."""
    painter = load_painter()
    folder.mkdir()
    lines = ["path\tslide\tcase\tsite\torgan\tlabel\tstain\tscanner"]
    for index, case in enumerate(CASES):
        pixels = painter.he_like(SIDE_PX, SIDE_PX, MPP, [(0.0, 0.0, 1.0, 1.0)])
        if index % 2:
            pixels = np.ascontiguousarray(pixels[::-1, ::-1] // np.array([1, 2, 1], np.uint8))
        painter.write_svs(folder / f"{case}.svs", pixels, mpp=MPP, appmag=20, levels=(1, 4))
        lines.append(f"{case}.svs\t{case}\t{case}\ts{index // 2}\tcolon\t{('plain', 'dark')[index % 2]}\tH&E\tnone")
    (folder / "broken.svs").write_bytes(b"II*\0not a slide")
    lines.append("broken.svs\tbroken\te\ts0\tcolon\tplain\tH&E\tnone")
    (folder / "slides.tsv").write_text("\n".join(lines) + "\n")


def run(*arguments: object) -> str:
    """A command of xmag-train, as typed; its output."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def yaml(path: Path, content: dict) -> Path:
    """JSON is YAML."""
    path.write_text(json.dumps(content, default=str))
    return path


def assert_measured_on_held_out_tiles(model: Path) -> None:
    """The metrics file and the card name the very tiles, and how near the graphs are to torch on them."""
    measured = json.loads(model.with_name(f"{model.name}.export.json").read_text())
    card = (model / "MODEL_CARD.md").read_text(encoding="utf-8")
    held_out = measured["held_out"]
    assert held_out["cases"] == ["c", "d"] and held_out["tiles"] == len(held_out["keys"]) == 4
    assert not set(measured["calibration"]["cases"]) & set(held_out["cases"])
    assert set(measured["parity"]) == {"student.onnx", "measuring student", "colour.onnx"}
    assert all(found["largest"] < 1e-3 for found in measured["parity"].values())
    assert measured["parity"]["student.onnx"]["inputs"] == 4 and measured["wall_s"] > 0
    assert "4 tiles of 2 slides, the regions of fold 1 of `folds.csv`" in card and "Cases: c, d." in card
    assert held_out["sha256"] in card and "against torch on these 4 tiles: largest difference of any value" in card
    assert "The teacher was not adapted to tissue: no time in a test." in card


def assert_whole_slides_are_embedded_as_the_service_does(tmp_path: Path, slides: Path, models: Path) -> None:
    embed = {"model": models / "xmag-tiny", "folder": slides, "out": tmp_path / "wsi", "threads": 1}
    config = yaml(tmp_path / "embed.yaml", embed)
    assert "4 bags made, 0 kept, 2 slides skipped" in run("embed", "--config", config)
    assert "0 bags made, 4 kept, 2 slides skipped" in run("embed", "--config", config)
    assert what_is_whole(tmp_path / "wsi" / "a.h5") == WHOLE_SLIDE
    assert what_is_whole(tmp_path / "bags" / "a.h5") == CORPUS_BAG
    out = tmp_path / "analysis"
    command = [sys.executable, "-m", "app.cli", "analyze", str(slides / "a.svs"), "--out", str(out)]
    environment = {**os.environ, "XMAG_MODELS_DIR": str(models), "XMAG_PRECISION": "fp32"}
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with h5py.File(out / "embeddings.h5") as served, h5py.File(tmp_path / "wsi" / "a.h5") as ours:
        assert np.array_equal(served["coords"], ours["coords"])
        np.testing.assert_allclose(served["features"], ours["features"], atol=1e-4)
        assert {**ours["coords"].attrs} == {**served["coords"].attrs}


def other_figures(metrics: Path) -> Path:
    """The figures of a run with another seed."""
    content = json.loads(metrics.read_text())
    content["config"]["seed"] = 99
    return yaml(metrics.with_name("other.json"), content)


def other_encoder(head: Path) -> Path:
    """A fold's head that learnt from another student."""
    content = torch.load(head, weights_only=True)
    content["facts"]["encoder_sha256"] = "0" * 64
    torch.save(content, head.with_name("other.pt"))
    return head.with_name("other.pt")


def distilled(tmp_path: Path, regions: Path, folds: Path) -> Path:
    """A student of a short run, which is known again when it is asked for once more."""
    distil = {
        "regions": regions,
        "out": tmp_path / "distill",
        "cache": tmp_path / "cache",
        "teacher": {"views": 1},
        "folds": folds,
        "leave_out_fold": 1,
        "student": {"projector_hidden": 32},
        "optim": {"epochs": 1, "batch_regions": 4, "views_per_region": 1},
        "accelerator": "cpu",
        "precision": "32-true",
        "threads": 1,
    }
    run("distill", "--config", yaml(tmp_path / "distill.yaml", distil))
    student = tmp_path / "distill" / "student.pt"
    fidelity = tmp_path / "distill" / "fidelity.json"
    measured = fidelity.stat().st_mtime_ns
    assert "is complete: nothing to do" in run("distill", "--config", tmp_path / "distill.yaml")
    assert fidelity.stat().st_mtime_ns == measured
    fidelity.unlink()  # as where it was killed before it could measure
    run("distill", "--config", tmp_path / "distill.yaml")
    assert fidelity.is_file()
    return student


@pytest.mark.timeout(900)
def test_from_slides_to_an_analysis(tmp_path) -> None:
    slides, regions = tmp_path / "slides", tmp_path / "regions"
    make_slides(slides)
    cut = {"slides": slides / "slides.tsv", "per_slide": 2, "tissue_min": 0.3, "duplicate_correlation": 1.0}
    assert "skipped broken" in run("curate", "--out", regions, "--config", yaml(tmp_path / "curate.yaml", cut))

    labels, folds = tmp_path / "labels.csv", tmp_path / "folds.csv"
    rows = [f"{case},{case},s{i // 2},{('plain', 'dark')[i % 2]}" for i, case in enumerate(CASES)]
    labels.write_text("slide,case,site,colour\n" + "\n".join(rows) + "\n")
    folds.write_text("case,fold\na,0\nb,0\nc,1\nd,1\n")

    student = distilled(tmp_path, regions, folds)
    encoder = {"kind": "student", "name": "efficientnet_lite0", "weights": str(student)}
    bags = {"shards": regions, "encoder": encoder, "out": tmp_path / "bags"}
    run("bags", "--config", yaml(tmp_path / "bags.yaml", bags))
    mil = {
        "task": "colour",
        "labels": ["plain", "dark"],
        "positive_class": "dark",
        "labels_csv": labels,
        "folds_csv": folds,
        "bags": str(tmp_path / "bags"),
        "fit": {"hidden": 8, "epochs": 2},
        "out": tmp_path / "mil",
    }
    run("mil", "--config", yaml(tmp_path / "mil.yaml", mil))

    models = tmp_path / "models"
    models.mkdir()
    head = {"checkpoint": tmp_path / "mil/head.pt", "metrics": tmp_path / "mil/metrics.json", "intended_use": "A test."}
    export = {
        "name": "xmag-tiny",
        "version": "0.0.1",
        "out": models / "xmag-tiny",
        "student": student,
        "measuring_student": student,
        "heads": [head],
        "teacher_not_adapted": "no time in a test.",
        "regions": regions,
        "folds": folds,
        "held_out_fold": 1,
        "int8": {"calibration_tiles": 4, "measured_tiles": 4},
        "provenance": {"teacher": "efficientnet_lite2", "data": "d", "licence": "Apache-2.0", "attribution": "a"},
        "threads": 1,
    }
    for changed, why in (
        ({"metrics": other_figures(tmp_path / "mil/metrics.json")}, "another run"),
        ({"measuring": other_encoder(tmp_path / "mil/folds/head-1.pt")}, "not trained on what the measuring student"),
    ):
        with pytest.raises(ValueError, match=why):
            run("export", "--config", yaml(tmp_path / "other.yaml", {**export, "heads": [{**head, **changed}]}))

    run("export", "--config", yaml(tmp_path / "export.yaml", export))
    manifest = load_manifest(models / "xmag-tiny")
    assert_measured_on_held_out_tiles(models / "xmag-tiny")
    for precision, cosine in (("fp16", 0.999), ("int8", 0.95)):
        fidelity = manifest.variant(precision).fidelity
        assert fidelity.n_tiles == 4 and fidelity.cosine_median > cosine and fidelity.score_change_max is not None
    assert set(manifest.reading.reader_cosine) == {"box", "coarse_level", "dct"}
    assert manifest.head("colour").trained and not manifest.head("colour").validated

    assert_whole_slides_are_embedded_as_the_service_does(tmp_path, slides, models)
