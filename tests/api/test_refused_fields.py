"""Fields of a request that are refused: each is named, and nothing is left behind."""

import hashlib
import json

import pytest

from tests.api.answers import check_problem


@pytest.mark.parametrize(
    ("fields", "code", "word"),
    [
        ({"pritority": "stat"}, "request_invalid", "pritority"),
        ({"priority": "soon"}, "request_invalid", "priority"),
        ({"mpp": "fast"}, "request_invalid", "mpp"),
        ({"mpp": "-1"}, "request_invalid", "mpp"),
        ({"mpp": "nan"}, "request_invalid", "mpp"),
        ({"callback_url": "http://127.0.0.1/"}, "callback_not_allowed", "XMAG_CALLBACK_HOSTS"),
        ({"case_id": "a\nb"}, "request_invalid", "case_id"),
        ({"mpp": "1000"}, "mpp_implausible", "mpp"),
        ({"mpp": "3"}, "resolution_too_low", "3"),
        ({"model": "no-such"}, "model_not_found", "xmag-lite0"),
        ({"model": "../models"}, "model_not_found", "xmag-lite0"),
        ({"tasks": "malignancy,grading"}, "task_not_found", "grading"),
        ({"context": "x" * 1025}, "request_invalid", "context"),
        ({"case_id": "x" * 201}, "request_invalid", "case_id"),
    ],
)
def test_wrong_fields_are_named_and_leave_nothing(api, tissue, fields, code, word):
    before = api.job_folders()
    body = check_problem(api.post(tissue, **fields), 422, code)
    assert word in body["detail"]
    assert api.job_folders() == before


def test_neither_form_nor_json(api):
    check_problem(
        api.http.post("/analyze", content=b"hello", headers={"content-type": "text/plain"}), 415, "upload_type"
    )
    check_problem(
        api.http.post("/analyze", content=b"{", headers={"content-type": "application/json"}),
        422,
        "request_invalid",
    )
    check_problem(api.http.post("/analyze", data={"mpp": "1"}), 415, "upload_type")
    files = [("slide", ("a.svs", b"a")), ("slide", ("b.svs", b"b"))]
    check_problem(api.http.post("/analyze", files=files), 422, "request_invalid")


@pytest.mark.parametrize("wrong", [{"mpp": True}, {"mpp": "0.25"}, {"case_id": 7}, {"priority": 1}])
def test_json_says_of_what_type_a_value_is(api, slide_root, wrong):
    source = {"type": "path", "path": str(slide_root / "by_path.svs")}
    check_problem(api.http.post("/analyze", json={"source": source, **wrong}), 422, "request_invalid")


def test_what_did_not_arrive_as_it_was_sent_is_refused(api, slide_root, tissue):
    digest = hashlib.sha256(tissue.read_bytes()).hexdigest()
    assert api.post(tissue, sha256=digest.upper()).status_code == 202
    before = api.job_folders()
    check_problem(api.post(tissue, sha256="0" * 64), 422, "digest_mismatch")
    check_problem(api.post(tissue, sha256="nonsense"), 422, "request_invalid")
    source = {"type": "path", "path": str(slide_root / "by_path.svs")}
    check_problem(api.http.post("/analyze", json={"source": source, "sha256": digest}), 422, "request_invalid")
    assert api.job_folders() == before


@pytest.mark.parametrize("url", ["ftp://ris.example/x", "https://name:word@ris.example/", "nonsense", ""])
def test_a_callback_address_is_http_without_a_password(api, tissue, url):
    answer = api.http.post("/analyze", json={"source": {"type": "path", "path": "/none"}, "callback_url": url})
    check_problem(answer, 422, "callback_not_allowed")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"case_id": ["C1", "C2"]}, "case_id was sent twice"),
        ({"case_id": ["S26-1", "S26-1"]}, "case_id was sent twice"),
        ({"slide_id": ["A-1", "B-2"]}, "slide_id was sent twice"),
        ({"mpp": ["1", ".25"]}, "mpp was sent twice"),
        ({"context": ["a", "b"]}, "context was sent twice"),
        ({"tasks": ["malignancy", "malignancy"]}, "comma-separated"),
    ],
)
def test_a_field_sent_twice_is_refused_and_leaves_nothing(api, tissue, fields, words):
    before = api.job_folders()
    assert words in check_problem(api.post(tissue, **fields), 422, "request_invalid")["detail"]
    assert api.job_folders() == before


def test_a_json_key_sent_twice_is_refused(api, slide_root):
    source = json.dumps({"type": "path", "path": str(slide_root / "tissue.svs")})
    for body in (
        f'{{"source": {source}, "case_id": "A", "case_id": "B"}}',
        f'{{"source": {source}, "source": {source}}}',
        f'{{"source": {source[:-1]}, "path": "/other.svs"}}}}',
    ):
        answer = api.http.post("/analyze", content=body, headers={"Content-Type": "application/json"})
        assert "was sent twice" in check_problem(answer, 422, "request_invalid")["detail"]
