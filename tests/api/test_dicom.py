"""DICOM studies by the real service: the slide among them, and whose it is."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.api.answers import check_problem
from tests.object_store import BUCKET, KEYS
from tests.service import Service
from tests.slides.make_dicom import (
    COMPREHENSIVE_3D_SR,
    LABEL,
    PDF,
    SEGMENTATION,
    Study,
    item,
    write_image,
    write_object,
    write_slide,
)
from tests.tissue import paint_tissue

CASE, SLIDE = "S26-001234", "S26-001234-A1"
STUDY = Study(CASE, SLIDE)
PATIENT = ("DOE", "JANE", "PID-4711", "19640812")


def identified(ds):
    ds.IssuerOfAccessionNumberSequence = [item(LocalNamespaceEntityID="LIS")]
    ds.SpecimenDescriptionSequence = [item(SpecimenIdentifier=f"{SLIDE}-1", SpecimenUID="1.2.3.4")]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A folder as archives export it: the slide, its label, and results of earlier analyses."""
    folder = tmp_path_factory.mktemp("study")
    write_slide(folder / "slide", paint_tissue(900, 900), 2.0, STUDY, change=identified)
    other = Study(CASE, SLIDE, study_uid=STUDY.study_uid, frame_of_reference_uid=STUDY.frame_of_reference_uid)
    write_image(folder / "label.dcm", np.full((300, 300, 3), 200, np.uint8), 9, other, LABEL)
    for name, sop_class in (("sr.dcm", COMPREHENSIVE_3D_SR), ("seg.dcm", SEGMENTATION), ("pdf", PDF)):
        write_object(folder / name, sop_class, STUDY)
    return folder


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return path


@pytest.fixture(scope="module")
def study_zip(study, tmp_path_factory) -> Path:
    return zipped(study, tmp_path_factory.mktemp("zips") / "study.zip")


@pytest.fixture(scope="module")
def read_in_place(tmp_path_factory, study, object_server) -> Service:
    """A service that reads studies by path and from an object store, and warns of other names."""
    served = Service(
        tmp_path_factory.mktemp("data"),
        slide_roots=study.parent,
        object_roots=f"s3://{BUCKET}/dicom",
        object_endpoint=object_server.url,
        log_level="debug",
    )
    served.besides = KEYS
    yield served.start()
    assert served.stop() == 0


@pytest.fixture(scope="module")
def warning(tmp_path_factory, study) -> Service:
    served = Service(tmp_path_factory.mktemp("data"), slide_roots=study.parent, identity_conflict="warn")
    yield served.start()
    assert served.stop() == 0


def by_path(service, path, **fields):
    return service.http.post("/analyze", json={"source": {"type": "path", "path": str(path)}, **fields})


def done(service, answer):
    assert answer.status_code == 202, answer.text
    job = service.wait(answer.json()["id"])
    assert job["state"] == "succeeded", job["error"]
    return job, service.http.get(job["links"]["result"]).json()


def features(service, job):
    with h5py.File(io.BytesIO(service.http.get(job["links"]["embeddings"]).content)) as file:
        return file["features"][:], file["coords"][:]


def test_the_slide_of_a_study_is_analysed_as_the_slide_alone(service, read_in_place, study, study_zip, tmp_path):
    alone, expected = done(service, service.post(zipped(study / "slide", tmp_path / "alone.zip")))
    oracle = features(service, alone)
    assert len(oracle[0]) > 8
    found = [(service, done(service, service.post(study_zip)))]
    for path in (study, study / "slide", study / "slide" / "level4.dcm"):
        found.append((read_in_place, done(read_in_place, by_path(read_in_place, path))))
    for where, (job, result) in found:
        for got, wanted in zip(features(where, job), oracle, strict=True):
            np.testing.assert_array_equal(got, wanted)
        assert (result["slide"]["sha256"], result["slide"]["size_bytes"]) == (
            expected["slide"]["sha256"],
            expected["slide"]["size_bytes"],
        )


def test_job_and_result_say_whose_slide_it_is_and_never_the_patient(service, study_zip):
    job, result = done(service, service.post(study_zip))
    assert (job["case_id"], job["slide_id"]) == (CASE, SLIDE)
    assert (result["request"]["case_id"], result["request"]["slide_id"]) == (CASE, SLIDE)
    assert (
        job["dicom"]
        == result["dicom"]
        == {
            "study_uid": STUDY.study_uid,
            "series_uid": STUDY.series_uid,
            "frame_of_reference_uid": STUDY.frame_of_reference_uid,
            "accession": CASE,
            "accession_issuer": "LIS",
            "container": SLIDE,
            "container_issuer": None,
            "specimens": [{"id": f"{SLIDE}-1", "uid": "1.2.3.4"}],
        }
    )
    assert result["warnings"] == [warning for warning in result["warnings"] if "identity" not in warning]
    listed = service.http.get("/jobs", params={"case_id": CASE, "slide_id": SLIDE}).json()["jobs"]
    assert job["id"] in [one["id"] for one in listed]
    folder = service.data_dir / "jobs" / job["id"]
    for file in folder.rglob("*"):
        if file.is_file() and "unpacked" not in file.parts:
            assert not any(secret.encode() in file.read_bytes() for secret in PATIENT), file
    told = "".join(service.lines) + (service.data_dir / "audit.jsonl").read_text() + service.http.get("/metrics").text
    for secret in (*PATIENT, CASE):
        assert secret not in told


def test_a_report_names_what_the_header_said_only_with_the_case(api, study_zip):
    job = api.job(api.done(study_zip))
    plain, asked = (api.http.get(f"{job['links']['report']}{query}") for query in ("", "?case=true"))
    assert CASE not in plain.text + plain.headers["content-disposition"]
    assert CASE in asked.text
    assert SLIDE in asked.text


@pytest.mark.parametrize(
    "fields", [{"case_id": "S26-009999"}, {"slide_id": "S26-009999-B1"}, {"case_id": CASE.lower()}]
)
def test_a_slide_of_another_case_is_refused_and_nothing_is_kept(service, read_in_place, study, study_zip, fields):
    for where, answer in (
        (service, lambda: service.post(study_zip, **fields)),
        (read_in_place, lambda: by_path(read_in_place, study, **fields)),
    ):
        before = where.job_folders()
        problem = check_problem(answer(), 422, "identity_conflict")
        assert CASE not in problem["detail"]
        assert where.job_folders() == before


def test_the_same_names_are_no_contradiction(service, study_zip):
    job, result = done(service, service.post(study_zip, case_id=f" {CASE} ", slide_id=SLIDE))
    assert (job["case_id"], job["slide_id"]) == (CASE, SLIDE)
    assert not any("identity" in warning for warning in result["warnings"])


def test_a_site_that_renumbers_is_warned(warning, study):
    job, result = done(warning, by_path(warning, study, case_id="NEW-1", slide_id="NEW-1-A"))
    assert (job["case_id"], job["slide_id"], job["dicom"]["accession"]) == ("NEW-1", "NEW-1-A", CASE)
    assert "identity_differs" in job["warnings"]
    sentences = [text for text in result["warnings"] if text.startswith("identity_differs")]
    assert len(sentences) == 2
    assert not any(CASE in text for text in sentences)
    assert [one["id"] for one in warning.http.get("/jobs", params={"case_id": "NEW-1"}).json()["jobs"]] == [job["id"]]


def test_an_object_of_another_case_fails_and_one_without_names_gets_them(read_in_place, object_server, study_zip):
    object_server.put("dicom/study.zip", study_zip.read_bytes())
    source = {"source": {"type": "object", "object": f"s3://{BUCKET}/dicom/study.zip"}}
    answer = read_in_place.http.post("/analyze", json={**source, "case_id": "S26-009999"})
    assert answer.status_code == 202
    job = read_in_place.wait(answer.json()["id"])
    assert (job["state"], job["error"]["code"], job["attempt"]) == ("failed", "identity_conflict", 1)
    assert job["case_id"] == "S26-009999"
    answer = read_in_place.http.post("/analyze", json=source)
    assert answer.json()["case_id"] is None
    job, result = done(read_in_place, answer)
    assert (job["case_id"], job["slide_id"], job["dicom"]) == (CASE, SLIDE, result["dicom"])
    listed = read_in_place.http.get("/jobs", params={"case_id": CASE}).json()["jobs"]
    assert job["id"] in [one["id"] for one in listed]


def test_two_slides_are_refused_in_words(api, study, tmp_path):
    both = tmp_path / "both"
    write_slide(both / "a", paint_tissue(900, 900), 2.0, STUDY)
    write_slide(both / "b", paint_tissue(900, 900), 2.0, Study(CASE, f"{CASE}-B1"))
    before = api.job_folders()
    problem = check_problem(api.post(zipped(both, tmp_path / "both.zip")), 422, "archive_invalid")
    assert "2 slides" in problem["detail"]
    assert CASE not in problem["detail"]
    assert api.job_folders() == before


def test_a_level_that_comes_after_the_request_is_noticed(read_in_place, study, tmp_path):
    folder = study.parent / "late"
    levels = write_slide(folder, paint_tissue(900, 900), 2.0, STUDY)
    late = tmp_path / "late.dcm"
    levels[1].rename(late)
    with read_in_place.paused("worker"):
        answer = by_path(read_in_place, folder)
        late.rename(levels[1])
    job = read_in_place.wait(answer.json()["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "source_changed")
