"""Whatever a route is asked that it would pass over in silence is refused."""

import gzip
import json

import pytest

from tests.api.answers import check_problem, raw_answer


@pytest.fixture(scope="module")
def job_id(api, tissue):
    return api.submit(tissue)


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Content-Encoding": "identity, br"}])
@pytest.mark.parametrize("way", ["form", "json", "session", "upload", "piece"])
def test_a_compressed_body_is_refused_with_what_is_read(api, tissue, way, headers):
    body, tus = gzip.compress(b"{}"), {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    sent = {
        "form": ("POST", "/analyze", {"Content-Type": "multipart/form-data; boundary=b"}),
        "json": ("POST", "/analyze", {"Content-Type": "application/json"}),
        "session": ("POST", "/session", {"Content-Type": "application/json"}),
        "upload": ("POST", "/uploads/", {**tus, "Upload-Length": "10"}),
        "piece": ("PATCH", "/uploads/01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11", {**tus, "Upload-Offset": "0"}),
    }
    method, path, more = sent[way]
    answer = api.http.request(method, path, content=body, headers={**more, **headers})
    assert "Content-Encoding" in check_problem(answer, 415, "upload_type")["detail"]
    assert answer.headers["accept-encoding"] == "identity"


def test_a_body_as_it_is_may_say_so(api, tissue):
    assert api.post(tissue, {"Content-Encoding": "identity"}).status_code == 202
    assert api.http.get("/jobs", headers={"Content-Encoding": "gzip"}).status_code == 200  # there is no body


def test_another_transfer_coding_than_chunked_is_refused(service):
    host = service.url.removeprefix("http://")
    head = f"POST /analyze HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    answer = raw_answer(host, f"{head}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode())
    assert answer.startswith("HTTP/1.1 415 ") and "Transfer-Encoding: gzip" in answer


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("priority=stat", "'priority' is not a query parameter of this address. It has none. Fields"),
        ("case_id=S26-1&mpp=1", "'case_id'"),
        ("priority", "'priority'"),
        ("x=%FF", "UTF-8"),
    ],
)
def test_fields_in_the_query_are_refused_and_leave_nothing(api, tissue, query, words):
    before = api.job_folders()
    with tissue.open("rb") as file:
        answer = api.http.post(f"/analyze?{query}", files={"slide": ("s.svs", file)})
    assert words in check_problem(answer, 422, "request_invalid")["detail"]
    assert api.job_folders() == before


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/jobs?caseid=A", "case_id, cursor, limit, slide_id, state"),
        ("/jobs?case_id=A&case_id=B", "case_id was sent twice"),
        ("/jobs?case_id=A&case_id=A", "case_id was sent twice"),
        ("/jobs?case_id=%FF", "UTF-8"),
        ("/jobs/{job}?verbose=1", "has none"),
        ("/jobs/{job}/heatmap.png?layer=overlay&layer=overlay", "layer was sent twice"),
        ("/jobs/{job}/heatmap.png?colour=red", "opacity, palette, quantity, scale, task"),
        ("/jobs/{job}/report.html?case=true&lang=de", "'lang'"),
        ("/v2/health/live?x=1", "has none"),
        ("/jobs/{job}/view?theme=dark", "has none"),
        ("/?case_id=A", "has none"),
        ("/session?key=x", "has none"),
    ],
)
def test_query_parameters_that_nobody_reads_are_refused(api, job_id, path, words):
    answer = api.http.get(path.format(job=job_id))
    assert words in check_problem(answer, 422, "request_invalid")["detail"]


def test_every_parameter_of_the_reference_is_known(api, job_id):
    document, asked = api.http.get("/openapi.json").json(), 0
    for path, methods in document["paths"].items():
        names = [p["name"] for p in methods.get("get", {}).get("parameters", []) if p["in"] == "query"]
        for name in names:
            answer = api.http.get(path.replace("{job_id}", job_id), params={name: "1"})
            assert "not a query parameter" not in answer.text, (path, name)
            asked += 1
    assert asked > 10


def test_pages_open_and_files_may_have_a_stamp(api):
    for path in ("/", "/docs", "/static/js/api.js?v=2", "/?"):
        assert api.http.get(path).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "status", "code"),
    [
        ("Idempotency-Key", "k", 422, "request_invalid"),
        ("Authorization", "Bearer k", 422, "request_invalid"),
        ("Content-Type", "application/json", 422, "request_invalid"),
        ("Origin", "http://{host}", 422, "request_invalid"),
        ("Host", "localhost", 400, "bad_request"),
    ],
)
def test_headers_that_count_are_sent_once(service, name, value, status, code):
    host = service.url.removeprefix("http://")
    lines = [f"{name}: {value.format(host=host)}", f"{name.upper()}: {value.format(host=host)}"]
    if name != "Host":
        lines.append(f"Host: {host}")
    answer = raw_answer(host, "\r\n".join(["GET /jobs HTTP/1.1", "Connection: close", *lines, "", ""]).encode())
    assert answer.startswith(f"HTTP/1.1 {status} ")
    body = json.loads(answer.partition("\r\n\r\n")[2])
    assert body["code"] == code and "sent twice" in body["detail"]
