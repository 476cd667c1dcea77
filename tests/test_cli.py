"""The command `xmag`, as a person runs it."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from app.results.schema import ResultDocument
from app.warning import WARNING_CODES
from tests.api.identity import AUDIENCE, IdentityProvider
from tests.inference.conftest import plain, rewrite
from tests.object_store import KEYS
from tests.service import ROOT
from tests.tissue import blank_slide

NOBODY = "http://127.0.0.1:1"
FILES = {
    "result.json", "heatmap.png", "overlay.png", "attention.geojson", "embeddings.h5", "tissue_mask.png",
    "qc_mask.png", "thumbnail.jpg", *(f"top_tile_{rank:02}.jpg" for rank in range(1, 11)),
}  # fmt: skip


@pytest.fixture
def xmag(tmp_path):
    """Runs the command with a data folder of its own."""

    def run(*arguments, **settings):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("XMAG_")}
        environment |= {"XMAG_DATA_DIR": str(tmp_path / "data"), "XMAG_MODELS_DIR": str(ROOT / "models"), **settings}
        command = [sys.executable, "-m", "app.cli", *map(str, arguments)]
        found = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert "Traceback" not in found.stderr
        return found

    return run


def test_analyze_makes_the_folder_and_says_what_it_found(xmag, tissue, tmp_path):
    out = tmp_path / "deep" / "out"
    found = xmag("analyze", tissue, "--out", out, "--organ", "lung")
    assert found.returncode == 0, found.stderr
    assert {path.name for path in out.iterdir()} == FILES
    document = ResultDocument.model_validate_json((out / "result.json").read_text())
    assert document.predictions[0].task == "malignancy"
    assert document.job is None
    assert document.analysed_at is not None
    assert abs(document.analysed_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert found.stdout.count("NOT VALIDATED") == 1
    assert "malignant" in found.stdout
    assert found.stderr == ""


def test_a_warning_has_its_code_in_the_file_and_its_sentence_on_the_terminal(xmag, tissue, tmp_path):
    found = xmag("analyze", tissue, "--out", tmp_path, "--mpp", "1.9", "--stain", "PAS")
    warnings = json.loads((tmp_path / "result.json").read_text())["warnings"]
    codes = {warning.partition(": ")[0] for warning in warnings}
    assert {"mpp_differs", "stain_out_of_domain"} <= codes
    assert codes <= set(WARNING_CODES)
    assert "\nWarning: The request gives the stain 'PAS'" in found.stdout


def test_analyze_again_replaces_the_files(xmag, tissue, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "result.json").write_text("old")
    (out / "mine.txt").write_text("kept")
    assert xmag("analyze", tissue, "--out", out).returncode == 0
    assert {path.name for path in out.iterdir()} == FILES | {"mine.txt"}
    assert (out / "result.json").read_text() != "old"
    blank = blank_slide(tmp_path / "blank.svs")
    assert xmag("analyze", blank, "--out", out).returncode == 1
    assert {path.name for path in out.iterdir()} == {"tissue_mask.png", "mine.txt"}


def test_a_slide_that_fails_is_exit_code_1(xmag, tmp_path):
    text = tmp_path / "text.svs"
    text.write_text("no slide")
    out = tmp_path / "out"
    found = xmag("analyze", text, "--out", out)
    assert (found.returncode, "not_a_slide" in found.stderr) == (1, True)
    assert not out.exists()
    found = xmag("analyze", blank_slide(tmp_path / "blank.svs"), "--out", out)
    assert (found.returncode, "no_tissue" in found.stderr) == (1, True)
    assert [path.name for path in out.iterdir()] == ["tissue_mask.png"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze"],
        ["analyze", "none.svs", "--out", "o"],
        ["analyze", "{slide}"],
        ["analyze", "{slide}", "--out", "o", "--model", "none"],
        ["analyze", "{slide}", "--out", "o", "--task", "none"],
        ["analyze", "{slide}", "--out", "o", "--mpp", "fast"],
        ["analyze", "{slide}", "--out", "o", "--mpp", "inf"],
        ["analyze", "{slide}", "--out", "/proc/o"],
        ["analyze", "{slide}", "--out", "{slide}/o"],
        ["keys", "create", "x", "--scope", "fly"],
        ["keys", "create", "x", "--scope", "analyze"],
        ["keys", "create", "x", "--replaces", "nobody"],
        ["keys", "revoke", "nobody"],
        ["fly"],
    ],
)
def test_usage_is_exit_code_2(xmag, tissue, arguments):
    found = xmag(*[argument.format(slide=tissue) for argument in arguments])
    assert found.returncode == 2
    assert found.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XMAG_LEASE_S", "soon"),
        ("XMAG_REDIS_URL", "redis-host:6379"),
        ("XMAG_DEVICE", "tpu"),
        ("XMAG_CALLBACK_HOSTS", "ris"),
    ],
)
def test_wrong_settings_name_the_variable(xmag, name, value):
    found = xmag("models", **{name: value})
    assert found.returncode == 2
    assert name in found.stderr
    refusal = xmag("serve", **{name: value})
    assert (refusal.returncode, refusal.stderr.count("\n")) == (78, 1)


@pytest.mark.parametrize(("command", "code"), [("doctor", 2), ("serve", 78)])
def test_an_environment_without_all_packages_says_which_one_to_use(command, code):
    """As training's, which has no redis."""
    start = f"import sys; sys.modules['redis'] = None; sys.argv[1:] = ['{command}']; import app.cli; app.cli.main()"
    found = subprocess.run(
        [sys.executable, "-c", start], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert found.returncode == code and "Traceback" not in found.stderr
    assert "redis is not installed in" in found.stderr and "`make setup`, then .venv/bin/xmag" in found.stderr


@pytest.mark.parametrize("command", ["api", "worker"])
def test_what_cannot_run_says_why_in_one_line_of_its_log(xmag, tmp_path, command):
    (tmp_path / "models").mkdir()
    settings = {"XMAG_HOST": "0.0.0.0", "XMAG_MODELS_DIR": str(tmp_path / "models"), "XMAG_LOG_FORMAT": "json"}
    found = xmag(command, **settings, XMAG_REDIS_URL="redis://127.0.0.1:1/0")
    assert found.returncode == 78
    last = json.loads(found.stderr.splitlines()[-1])
    assert (last["event"], last["level"]) == ("process.cannot_run", "critical")
    assert last["code"] == "setup_invalid"
    assert last["reason"].endswith(".")


def test_doctor_prints_lists_as_their_variables_take_them(xmag, tmp_path):
    lists = {
        "XMAG_SLIDE_ROOTS": f"{tmp_path}{os.pathsep}{ROOT}",
        "XMAG_TRUSTED_PROXIES": "10.0.0.1,::1",
        "XMAG_OIDC_ALGORITHMS": "RS256,ES256",
    }
    printed = xmag("doctor", **lists).stdout
    for name, value in lists.items():
        assert f"{name}={value}\n" in printed


def test_the_clones_models_are_found_from_any_folder(xmag):
    found = xmag("models", XMAG_MODELS_DIR="")
    assert (found.returncode, "xmag-lite0" in found.stdout) == (0, True)


def test_doctor_tries_every_part(xmag, tmp_path, object_server):
    objects = {"XMAG_OBJECT_ROOTS": "s3://slides/a", "XMAG_OBJECT_ENDPOINT": object_server.url, **KEYS}
    found = xmag("doctor", XMAG_GPUS="0", **objects)
    assert found.returncode == 0, found.stdout
    for part in ("settings", "data", "objects", "reader", "queue", "runtime", "gpu", "models"):
        assert f"ok   {part}" in found.stdout
    assert "NOT validated" in found.stdout
    assert "a decoder reads its own slide and libraries only" in found.stdout
    assert "s3://slides/a answers" in found.stdout
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in found.stdout


@pytest.mark.parametrize(
    ("settings", "part", "word"),
    [
        ({"XMAG_REDIS_URL": "redis://127.0.0.1:1"}, "queue", "XMAG_REDIS_URL"),
        ({"XMAG_MODELS_DIR": "empty"}, "models", "model"),
        ({"XMAG_SLIDE_ROOTS": "/none"}, "slides", "/none"),
        ({"XMAG_OBJECT_ROOTS": "s3://lab", "XMAG_OBJECT_ENDPOINT": NOBODY, **KEYS}, "objects", "XMAG_OBJECT_ENDPOINT"),
        ({"XMAG_DISK_FREE_MIN_BYTES": str(10**18)}, "data", "503"),
        ({"XMAG_PROT": "9"}, "settings", "XMAG_PROT"),
    ],
)
def test_doctor_says_what_is_wrong(xmag, tmp_path, settings, part, word):
    (tmp_path / "empty").mkdir()
    assert_doctor_fails(xmag("doctor", **({"XMAG_OBJECT_PATIENCE_S": "1"} | settings)), part, word)


def test_doctor_asks_the_openid_provider_for_its_keys(xmag):
    provider = IdentityProvider()
    try:
        settings = {"XMAG_OIDC_ISSUER": provider.issuer, "XMAG_OIDC_AUDIENCE": AUDIENCE}
        assert f"ok   openid     {provider.issuer} publishes 2 signing keys" in xmag("doctor", **settings).stdout
        provider.is_down = True
        assert_doctor_fails(xmag("doctor", **settings), "openid", "503")
    finally:
        provider.stop()


@pytest.mark.parametrize(("device", "why"), [("auto", "CPU build"), ("cpu", "XMAG_DEVICE is cpu")])
def test_doctor_says_why_a_gpu_is_idle(xmag, nvidia_driver, device, why):
    driver = {"CUDA": "13000", "CAPABILITY": "90", "LD_LIBRARY_PATH": str(nvidia_driver)}
    found = xmag("doctor", XMAG_DEVICE=device, **driver)
    (line,) = [line for line in found.stdout.splitlines() if line.startswith("ok   gpu")]
    assert "Stand-in; not used" in line
    assert why in line


@pytest.mark.parametrize(("status", "words"), [("999", "unknown error (999)"), ("46", "driver fails: error 46")])
def test_doctor_words_what_the_driver_answers(xmag, nvidia_driver, status, words):
    found = xmag("doctor", GET=status, LD_LIBRARY_PATH=str(nvidia_driver))
    assert_doctor_fails(found, "gpu", words)
    assert "None" not in found.stdout


def test_doctor_says_which_precision_the_model_lacks(xmag, tmp_path):
    shutil.copytree(ROOT / "models" / "xmag-lite0", tmp_path / "models" / "xmag-lite0")
    rewrite(tmp_path / "models" / "xmag-lite0", plain)
    found = xmag("doctor", XMAG_PRECISION="fp16", XMAG_MODELS_DIR=str(tmp_path / "models"))
    assert_doctor_fails(found, "models", "fp16")


def test_doctor_looks_at_an_api_that_stands_alone_too(xmag, tmp_path):
    (tmp_path / "onnxruntime.py").write_text("raise ModuleNotFoundError('No module named onnxruntime')")
    found = xmag("doctor", PYTHONPATH=str(tmp_path))
    (line,) = [line for line in found.stdout.splitlines() if line.startswith("ok   models")]
    assert "not tested" in line


def assert_doctor_fails(found, part, word):
    assert found.returncode == 1
    (line,) = [line for line in found.stdout.splitlines() if line.startswith(f"FAIL {part}")]
    assert word in line


def test_doctor_finds_a_changed_model(xmag, tmp_path):
    models = tmp_path / "models" / "xmag-lite0"
    models.mkdir(parents=True)
    for file in (ROOT / "models" / "xmag-lite0").iterdir():
        (models / file.name).write_bytes(file.read_bytes())
    with (models / "student.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\0\0\0")
    found = xmag("doctor", XMAG_MODELS_DIR=str(tmp_path / "models"))
    assert found.returncode == 1
    assert "FAIL models" in found.stdout


def test_keys_are_made_listed_and_revoked(xmag, tmp_path):
    made = xmag("keys", "create", "lab", "--scope", "read", "--tenant", "pathology")
    token = made.stdout.strip()
    assert token.startswith("xmag_")
    assert token not in (tmp_path / "data" / "keys.json").read_text()
    listed = xmag("keys", "list").stdout
    assert "pathology" in listed
    assert token not in listed
    assert xmag("keys", "revoke", "lab").returncode == 0
    assert json.loads((tmp_path / "data" / "keys.json").read_text()) == []


def test_audit_verify_fails_and_names_the_line(xmag, tmp_path):
    found = xmag("audit", "verify")
    assert found.returncode == 2
    assert "There is no data folder" in found.stderr
    assert xmag("keys", "create", "lab").returncode == 0
    assert xmag("audit", "verify").returncode == 0
    log = tmp_path / "data" / "audit.jsonl"
    whole = log.read_text()
    log.write_text("made up\n" + whole)
    found = xmag("audit", "verify")
    assert (found.returncode, found.stderr) == (1, "line 1: is not a log entry\n")
    for name in ("audit.jsonl", "audit.head"):
        (tmp_path / "data" / name).unlink()
    assert xmag("audit", "verify").returncode == 1


def test_a_key_that_replaces_another_has_its_scopes_and_tenant(xmag, tmp_path):
    xmag("keys", "create", "lis", "--scope", "submit", "--tenant", "pathology")
    assert xmag("keys", "create", "lis-2", "--replaces", "lis", "--scope", "admin").returncode == 2
    assert xmag("keys", "create", "lis-2", "--replaces", "lis").stdout.startswith("xmag_")
    assert xmag("keys", "create", "new").returncode == 0
    kept = {key["name"]: key for key in json.loads((tmp_path / "data" / "keys.json").read_text())}
    assert {name: (key["tenant"], key["scopes"]) for name, key in kept.items()} == {
        "lis": ("pathology", ["submit"]),
        "lis-2": ("pathology", ["submit"]),
        "new": ("default", ["submit", "read"]),
    }
    assert len({key["owner"] for key in kept.values()}) == 2
    assert kept["lis"]["owner"] == kept["lis-2"]["owner"]


def test_models_says_what_they_are_worth(xmag):
    found = xmag("models")
    assert found.returncode == 0
    assert "NO" in found.stdout
