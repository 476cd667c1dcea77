"""What is stated of a slide, in whatever way, is in the job's record and in its result."""

import base64
import json
import os
import re
import subprocess
import sys

import pytest

from app.api.schemas import AnalyzeFields, JobView
from app.jobs.callbacks import Notice
from app.records.record import JobFields, JobRequest
from app.slides.identity import DicomIdentity
from app.stated import Stated
from tests.service import ROOT

VALUES = {
    "case_id": "S26-4711",
    "slide_id": "S26-4711-A1",
    "context": "für das LIS\n",
    "stain": "HE",
    "organ": "lung",
    "mpp": 1.9,
}
FORM = {name: str(value) for name, value in VALUES.items()}
OPTIONS = {"case_id": "--case", "stain": "--stain", "organ": "--organ", "mpp": "--mpp"}
NOT_ASKED = {"context", "slide_id"}
"""Neither command nor page asks for them: the slide's id is the file's name, and the context a program's."""
DICOM = DicomIdentity("1.1", "1.2", "1.3", "S26-1", "LIS", "S26-1-A1", None)


def by_form(service, tissue):
    return service.post(tissue, **FORM)


def by_path(service, tissue):
    return service.http.post("/analyze", json={"source": {"type": "path", "path": str(tissue)}, **VALUES})


def by_pieces(service, tissue):
    data = tissue.read_bytes()
    headers = {
        "Tus-Resumable": "1.0.0",
        "Content-Type": "application/offset+octet-stream",
        "Upload-Length": str(len(data)),
        "Upload-Metadata": f"filename {base64.b64encode(tissue.name.encode()).decode()}",
    }
    upload_id = service.http.post("/uploads/", headers=headers, content=data).headers["location"].rpartition("/")[2]
    return service.http.post("/analyze", json={"source": {"type": "upload", "id": upload_id}, **VALUES})


def by_rerun(service, tissue):
    first = by_form(service, tissue).json()["id"]
    service.wait(first)
    return service.http.post(f"/jobs/{first}/rerun")


def by_rerun_with_changes(service, tissue):
    first = service.submit(tissue)
    service.wait(first)
    return service.http.post(f"/jobs/{first}/rerun", json=VALUES)


ASKED = {name: value for name, value in VALUES.items() if name not in NOT_ASKED}
TYPED = [word for name in ASKED for word in (OPTIONS[name], FORM[name])]


def xmag(cwd, *words):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XMAG_")}
    environment |= {"XMAG_DATA_DIR": str(cwd / "data"), "XMAG_MODELS_DIR": str(ROOT / "models")}
    command = [sys.executable, "-m", "app.cli", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=True)


def kept(service, job_id):
    """What record and result have."""
    assert service.wait(job_id)["state"] == "succeeded"
    record = json.loads((service.data_dir / "jobs" / job_id / "request.json").read_text())
    result = service.http.get(f"/jobs/{job_id}/result").json()["request"]
    return {name: record[name] for name in Stated.model_fields}, result


def test_this_test_knows_every_field():
    assert VALUES.keys() == Stated.model_fields.keys()


@pytest.mark.parametrize("way", [by_form, by_path, by_pieces, by_rerun, by_rerun_with_changes])
def test_what_is_sent_arrives_in_record_and_result(service, tissue, way):
    answer = way(service, tissue)
    assert answer.status_code == 202, answer.text
    assert kept(service, answer.json()["id"]) == (VALUES, VALUES)


def test_what_is_typed_for_xmag_submit_arrives(service, tissue, tmp_path):
    said = xmag(tmp_path, "submit", tissue, "--server", service.url, "--again", *TYPED).stdout
    record, result = kept(service, said.split("\t")[1])
    assert record == result == {"context": None, "slide_id": tissue.stem, **ASKED}


def test_what_is_typed_for_xmag_analyze_arrives(tissue, tmp_path):
    xmag(tmp_path, "analyze", tissue, "--out", tmp_path / "out", *TYPED)
    result = json.loads((tmp_path / "out" / "result.json").read_text())["request"]
    assert result == dict.fromkeys(NOT_ASKED) | ASKED


def test_the_page_asks_for_every_field():
    page = (ROOT / "app" / "web" / "worklist.html").read_text()
    form = re.search(r'<form class="fields".*?</form>', page, re.DOTALL)
    assert form is not None
    assert set(re.findall(r'name="(\w+)"', form[0])) >= Stated.model_fields.keys() - NOT_ASKED


def test_a_request_has_no_field_that_its_record_lacks():
    known_otherwise = {"model", "tasks", "sha256"}
    assert AnalyzeFields.model_fields.keys() - known_otherwise == JobFields.model_fields.keys()
    assert JobRequest.model_fields.keys() > JobFields.model_fields.keys()


def test_job_and_callback_show_what_identifies_the_slide():
    """A field that is added to Stated is shown too, or named here."""
    in_the_result_only = {"stain", "organ", "mpp"}
    shown = Stated.model_fields.keys() - in_the_result_only
    assert JobView.model_fields.keys() >= shown
    assert Notice.model_fields.keys() >= shown


def test_names_default_to_the_header():
    stated = Stated(organ="lung")
    assert stated.named(None) == stated
    assert stated.named(DICOM) == Stated(organ="lung", case_id="S26-1", slide_id="S26-1-A1")
    both = Stated(case_id="C", slide_id="S")
    assert both.named(DICOM) == both
