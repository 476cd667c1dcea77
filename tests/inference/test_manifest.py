import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.errors import ManifestInvalidError, ModelFileChangedError
from app.inference.manifest import load_manifest, read_manifest, verify_files
from tests.inference.conftest import Change, rewrite


def test_the_committed_model_says_what_it_is(model_folder: Path) -> None:
    manifest = load_manifest(model_folder)
    head = manifest.head("malignancy")
    assert (manifest.name, manifest.tile_px, manifest.mpp, manifest.embedding_dim) == ("xmag-lite0", 224, 2.0, 1280)
    assert head.labels == ["not_malignant", "malignant"]
    assert (head.trained, head.validated, head.calibration.status) == (True, False, "none")
    assert head.intended_use.startswith("Research and integration testing only")
    verify_files(model_folder, manifest)


def _metrics(document: dict[str, Any]) -> None:
    metric = {"name": "auroc", "value": 0.9, "ci_low": 0.8, "ci_high": 1.0, "data": "somewhere", "n_cases": 200}
    document["heads"][0]["metrics"] = [metric]


def _calibrated(cases: int, rarest: int) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["heads"][0]["trained"] = True
        document["heads"][0]["calibration"] = {
            "status": "temperature",
            "temperature": 1.4,
            "threshold": 0.5,
            "n_cases": cases,
            "n_cases_rarest_class": rarest,
        }

    return change


def _int8_without_fidelity(document: dict[str, Any]) -> None:
    file = {"name": "student.int8.onnx", "sha256": "0" * 64}
    document["student"].append({"precision": "int8", "file": file, "golden": document["student"][0]["golden"]})


def _two_heads_in_one_file(document: dict[str, Any]) -> None:
    document["heads"].append({**document["heads"][0], "task": "other"})


REFUSED: dict[str, tuple[Change, str]] = {
    "unknown key": (lambda d: d.update(colour="red"), "key colour"),
    "unknown key inside": (lambda d: d["heads"][0].update(colour="red"), "key heads.0.colour"),
    "missing key": (lambda d: d.pop("mpp"), "key mpp"),
    "word for a truth value": (lambda d: d["heads"][0].update(trained="yes"), "key heads.0.trained"),
    "number in quotes": (lambda d: d.update(mpp="2.0"), "key mpp"),
    "later schema": (lambda d: d.update(schema_version=2), "key schema_version"),
    "name with a path": (lambda d: d.update(name="../x"), "key name"),
    "file with a path": (lambda d: d["heads"][0]["file"].update(name="../x.onnx"), "key heads.0.file.name"),
    "short sha256": (lambda d: d["heads"][0]["file"].update(sha256="abc"), "key heads.0.file.sha256"),
    "head of another student": (lambda d: d["heads"][0].update(student_sha256="0" * 64), "another student"),
    "validated, not trained": (lambda d: d["heads"][0].update(validated=True), "validated without being trained"),
    "metrics, not trained": (_metrics, "head that was not trained"),
    "calibrated, not trained": (
        lambda d: (_calibrated(200, 50)(d), d["heads"][0].update(trained=False)),
        "head that was not trained",
    ),
    "calibrated on 99": (_calibrated(99, 40), "at least 100 cases"),
    "calibrated on 29 of a class": (_calibrated(200, 29), "30 of the rarest class"),
    "temperature without calibration": (
        lambda d: d["heads"][0]["calibration"].update(temperature=2.0),
        "neither a temperature nor a threshold",
    ),
    "positive class unknown": (lambda d: d["heads"][0].update(positive_class="benign"), "not a label"),
    "labels repeat": (lambda d: d["heads"][0].update(labels=["malignant", "malignant"]), "labels repeat"),
    "one label": (lambda d: d["heads"][0].update(labels=["malignant"]), "key heads.0.labels"),
    "bag sizes reversed": (lambda d: d["heads"][0].update(bag_size_min=30000), "bag_size_min exceeds"),
    "no fp32": (lambda d: d["student"][0].update(precision="int8", fidelity=None), "no measured fidelity"),
    "int8 unmeasured": (_int8_without_fidelity, "no measured fidelity"),
    "two heads, one file": (_two_heads_in_one_file, "a file of its own"),
    "coarse level unmeasured": (lambda d: d["reading"].update(level_tolerance=0.06), "coarse_level"),
    "coarse level too far off": (
        lambda d: d["reading"].update(level_tolerance=0.06, reader_cosine={"coarse_level": 0.92}),
        "coarse_level",
    ),
    "box unmeasured": (lambda d: d["reading"].update(resample_filter="box"), "reader_cosine box"),
    "dct unmeasured": (lambda d: d["reading"].update(decoder_scaling="dct", reader_cosine={}), "reader_cosine dct"),
    "golden beyond its norm": (lambda d: d["student"][0]["golden"].update(norm=1.0), "golden values exceed"),
    "no golden": (lambda d: d["student"][0].pop("golden"), "key student.0.golden"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_key_or_the_reason(case: str, copied: Path) -> None:
    change, told = REFUSED[case]
    rewrite(copied, change)
    with pytest.raises(ManifestInvalidError) as caught:
        load_manifest(copied)
    assert told in caught.value.message
    assert "xmag-lite0/manifest.json" in caught.value.message
    assert str(copied.parent) not in caught.value.message


def test_a_measured_calibration_and_a_measured_way_of_reading_are_accepted(copied: Path) -> None:
    rewrite(copied, _calibrated(100, 30))
    rewrite(copied, lambda d: d["reading"].update(level_tolerance=0.06, reader_cosine={"coarse_level": 0.98}))
    manifest = load_manifest(copied)
    assert manifest.head("malignancy").calibration.temperature == 1.4
    assert manifest.reading.allows("coarse_level")
    assert not manifest.reading.allows("dct")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"mpp": NaN}'])
def test_not_json_is_refused(content: bytes, copied: Path) -> None:
    (copied / "manifest.json").write_bytes(content)
    with pytest.raises(ManifestInvalidError):
        load_manifest(copied)


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalidError, match="cannot be read"):
        load_manifest(tmp_path)


def test_the_sha256_is_of_the_bytes_read(copied: Path) -> None:
    before = read_manifest(copied)[1]
    content = (copied / "manifest.json").read_bytes()
    (copied / "manifest.json").write_bytes(content + b"\n")
    after = read_manifest(copied)[1]
    assert before != after
    assert json.loads(content)["name"] == "xmag-lite0"


@pytest.mark.parametrize("name", ["student.onnx", "malignancy.onnx"])
def test_one_changed_byte_is_refused(name: str, copied: Path) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(ModelFileChangedError, match=name):
        verify_files(copied, load_manifest(copied))


def test_a_missing_file_is_refused(copied: Path) -> None:
    (copied / "malignancy.onnx").unlink()
    with pytest.raises(ModelFileChangedError, match=r"malignancy\.onnx cannot be read"):
        verify_files(copied, load_manifest(copied))


def test_manifest_golden_and_registry_import_without_onnxruntime() -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "import app.inference.manifest, app.inference.golden, app.inference.registry"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
