"""The OpenAPI document says what the service does: clients are generated from it."""

import json
import re

import pytest
from fastapi import FastAPI

from app.api.problems import Problem
from app.jobs.callbacks import PAUSES_S, Notice
from app.main import create_app
from app.settings import Settings
from tests.service import ROOT

TUS = {"Tus-Resumable": "1.0.0"}


def operations(document):
    return {
        (method, path): operation for path, found in document["paths"].items() for method, operation in found.items()
    }


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> FastAPI:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("reference")))


@pytest.fixture(scope="module")
def document(app):
    return app.openapi()


def declared(document, path, answer, method="get"):
    """The entry for an answer; its media type and the entry's headers must be those of the answer."""
    entry = document["paths"][path][method]["responses"][str(answer.status_code)]
    kind = answer.headers.get("content-type", "").partition(";")[0]
    assert set(entry.get("content", {})) == ({kind} if answer.content else set()), (path, answer.status_code, kind)
    assert "X-Request-ID" in entry["headers"]
    return entry


def test_every_operation_says_what_its_answer_holds(document):
    for (method, path), operation in operations(document).items():
        for status in {"200", "202", "206"} & set(operation["responses"]):
            entry = operation["responses"][status]
            assert method == "head" or all(kind["schema"] for kind in entry["content"].values()), (path, status)
        for status in {"201", "204"} & set(operation["responses"]):
            assert "content" not in operation["responses"][status], (method, path)
    assert "content" not in document["paths"]["/uploads/{upload_id}"]["head"]["responses"]["200"]


def test_every_refusal_is_a_problem_document(document):
    assert "ValidationError" not in json.dumps(document)
    for (method, path), operation in operations(document).items():
        for status, entry in operation["responses"].items():
            if (status == "default" or status >= "400") and (path, status) not in {("/v2/health/ready", "503")}:
                assert set(entry.get("content", {})) <= {"application/problem+json"}, (method, path, status)
                assert "content" in entry or status == "416"
        assert "default" in operation["responses"]


def examples(entry):
    return [one["value"] for one in entry["content"]["application/problem+json"]["examples"].values()]


def test_each_refusal_shows_its_own_status_and_codes(document):
    """The codes of the tables in the docs, each with the status that its example stands under."""
    listed = re.findall(r"^\| `(\w+)` \| (\d+) \|", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    known = {(int(status), code) for code, status in listed}
    shown = set()
    for (method, path), operation in operations(document).items():
        for status, entry in operation["responses"].items():
            if "application/problem+json" in entry.get("content", {}):
                found = examples(entry)
                assert found, (method, path, status)
                assert status == "default" or {one["status"] for one in found} == {int(status)}, (method, path)
                shown |= {(one["status"], one["code"]) for one in found}
                for one in found:
                    assert Problem.model_validate(one).detail.endswith("."), one
    assert shown <= known
    of_jobs_alone = {(status, code) for status, code in known if status >= 500 and status != 503}
    never_asked = {
        (422, "no_tissue"),
        (422, "slide_unusable"),
        (409, "cancelled"),
        (400, "bad_request"),
        (431, "too_large"),
    }
    assert known - shown - of_jobs_alone == never_asked


def test_groups_come_in_the_order_in_which_they_are_needed(document):
    groups = [tag["name"] for tag in document["tags"]]
    assert groups == ["analyze", "jobs", "results", "uploads", "viewer", "models", "session", "health"]
    assert {tag for operation in operations(document).values() for tag in operation["tags"]} == set(groups)


def test_operations_have_short_names_of_their_own(document):
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(names)) == len(names)
    assert {"analyze", "get_job", "list_jobs", "delete_job", "get_result", "view_job", "follow_job"} <= set(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+){0,3}", name) for name in names)


def test_request_bodies_have_names(document):
    body = document["paths"]["/analyze"]["post"]["requestBody"]["content"]
    names = {kind: part["schema"]["$ref"].rpartition("/")[2] for kind, part in body.items()}
    assert names == {"multipart/form-data": "AnalyzeForm", "application/json": "AnalyzeBySource"}
    form = document["components"]["schemas"]["AnalyzeForm"]
    assert form["required"] == ["slide"]
    assert {"slide", "mpp", "context"} <= set(form["properties"])


def test_the_document_is_made_whole_again_when_a_route_is_added(tmp_path):
    app = create_app(Settings(data_dir=tmp_path))
    before = len(app.openapi()["paths"])

    @app.get("/more")
    def more() -> str:
        return ""

    assert len(app.openapi()["paths"]) == before + 1
    assert "Problem" in app.openapi()["components"]["schemas"]


def test_the_callback_is_described_as_it_is_sent(document):
    ((address, found),) = document["paths"]["/analyze"]["post"]["callbacks"]["job_over"].items()
    assert address == "{$request.body#/callback_url}"
    assert {part["name"] for part in found["post"]["parameters"]} == {"Xmag-Timestamp", "Xmag-Signature"}
    assert found["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Notice")
    assert set(document["components"]["schemas"]["Notice"]["properties"]) == set(Notice.model_fields)
    assert 23 * 3600 < sum(PAUSES_S) < 27 * 3600


def test_both_event_streams_say_what_an_event_holds(document, service, tissue):
    schemas = document["components"]["schemas"]
    for path in ("/events", "/jobs/{job_id}/events"):
        (stream,) = document["paths"][path]["get"]["responses"]["200"]["content"].values()
        assert set(stream) == {"schema"}
        names = [part["$ref"].rpartition("/")[2] for part in stream["schema"]["contentSchema"]["items"]["oneOf"]]
        assert [schemas[name]["properties"]["event"]["const"] for name in names] == ["job", "erased"]
    job_id = service.submit(tissue)
    with service.http.stream("GET", f"/jobs/{job_id}/events") as answer:
        sent = [line.partition(":") for line in answer.iter_lines() if line]
    assert {name for name, _, _ in sent} <= {"", *schemas["JobEvent"]["properties"]}
    assert {value.strip() for name, _, value in sent if name == "event"} == {"job"}


def test_all_that_a_finished_job_links_to_is_declared_as_it_is_sent(document, api, tissue):
    job_id = api.done(tissue)
    links = api.job(job_id)["links"]
    more = ["top_tiles/1.jpg", "tissue.png", "report_map.jpg", "slide_files/0/0_0.jpg"]
    assert len(links) > 10
    for link in {*links.values(), *(f"/jobs/{job_id}/{name}" for name in more)} - {links["events"]}:
        path = link.partition("?")[0].replace(job_id, "{job_id}")
        path = path.replace("/1.jpg", "/{rank}.jpg").replace("/0/0_0.jpg", "/{level}/{column}_{row}.jpg")
        whole = api.http.get(link)
        assert whole.status_code == 200
        declared(document, path, whole)
        takes_ranges = "206" in document["paths"][path]["get"]["responses"]
        assert takes_ranges == (whole.headers.get("accept-ranges") == "bytes" and not path.endswith("/view")), path
        if takes_ranges:
            part = api.http.get(link, headers={"Range": "bytes=0-3"})
            beyond = api.http.get(link, headers={"Range": "bytes=9999999999-"})
            assert (part.status_code, beyond.status_code) == (206, 416)
            for answer in (part, beyond):
                assert (
                    "Content-Range" in document["paths"][path]["get"]["responses"][str(answer.status_code)]["headers"]
                )
            declared(document, path, part)
    metrics = api.http.get("/metrics")
    declared(document, "/metrics", metrics)


def test_what_tus_says_in_headers_is_declared(document, api):
    def check(method, path, answer):
        entry = declared(document, path, answer, method)
        said = {name for name in answer.headers if name.startswith(("tus-", "upload-")) or name == "location"}
        assert said == {name.lower() for name in entry["headers"]} - {"x-request-id"}

    check("options", "/uploads/", api.http.options("/uploads/"))
    begun = api.http.post("/uploads/", headers=TUS | {"Upload-Length": "4", "Upload-Metadata": "filename YS5zdnM="})
    check("post", "/uploads/", begun)
    one, address = "/uploads/{upload_id}", begun.headers["location"]
    piece = TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    check("patch", one, api.http.patch(address, headers=piece, content=b"ab"))
    check("head", one, api.http.head(address, headers=TUS))
    check("delete", one, api.http.delete(address, headers=TUS))
    for method in ("post", "patch", "head", "delete"):
        for path in document["paths"]:
            if path.startswith("/uploads/") and method in document["paths"][path]:
                named = {part["name"] for part in document["paths"][path][method]["parameters"] if part["required"]}
                assert "Tus-Resumable" in named
    other = api.http.head(address, headers={"Tus-Resumable": "0.2"})
    assert other.headers["tus-version"] == "1.0.0"
    assert "Tus-Version" in document["paths"][one]["head"]["responses"]["412"]["headers"]


UNKNOWN = "01993b1e-7c2a-7d50-9a41-5b8a4f0c2e11"


@pytest.mark.parametrize(
    ("method", "path", "status", "more"),
    [
        ("post", "/analyze", 404, {"json": {"source": {"type": "upload", "id": UNKNOWN}}}),
        ("post", "/analyze", 422, {"json": {}}),
        ("get", "/jobs", 422, {"params": {"limit": "0"}}),
        ("get", "/jobs/{job_id}", 404, {}),
        ("get", "/jobs/{job_id}/attention.geojson", 422, {"params": {"origin": "moon"}}),
        ("delete", "/jobs/{job_id}", 404, {}),
        ("get", "/v2/models/{name}", 404, {}),
        ("post", "/session", 422, {"json": {}}),
        ("patch", "/uploads/{upload_id}", 412, {}),
        ("patch", "/uploads/{upload_id}", 415, {"headers": TUS}),
        ("delete", "/uploads/{upload_id}", 404, {"headers": TUS}),
    ],
)
def test_a_refusal_is_declared_by_its_status(document, api, tissue, method, path, status, more):
    job_id = api.submit(tissue) if path.endswith(".geojson") else UNKNOWN
    answer = api.http.request(method, re.sub(r"\{\w+\}", job_id, path), **more)
    assert answer.status_code == status
    codes = [one["code"] for one in examples(declared(document, path, answer, method))]
    assert method == "head" or answer.json()["code"] in codes


def test_waiting_times_are_declared(document, api, tissue):
    answer = api.post(tissue)
    accepted = declared(document, "/analyze", answer, "post")
    assert {"Location", "Retry-After"} <= set(accepted["headers"])
    assert "Retry-After" in document["paths"]["/jobs/{job_id}"]["get"]["responses"]["200"]["headers"]
    refusals = document["paths"]["/analyze"]["post"]["responses"]
    assert all("Retry-After" in refusals[status]["headers"] for status in ("429", "503"))
    assert "WWW-Authenticate" in refusals["401"]["headers"]
