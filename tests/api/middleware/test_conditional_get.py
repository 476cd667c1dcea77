"""HEAD, If-None-Match: what programs ask before they ask."""

import asyncio

import pytest

from app.api.middleware.conditional_get import Bodiless
from tests.api.answers import check_problem


@pytest.fixture(scope="module")
def job_id(api, tissue):
    return api.done(tissue)


@pytest.mark.parametrize(
    "path",
    ["", "/result", "/embeddings.h5", "/results.zip", "/report.pdf", "/heatmap.png", "/slide.dzi", "/events", "/view"],
)
def test_head_is_a_get_without_its_body(api, job_id, path):
    told = api.http.head(f"/jobs/{job_id}{path}")
    assert told.status_code == 200 and told.content == b""
    asked = api.http.get(f"/jobs/{job_id}{path}")
    assert told.headers["content-type"] == asked.headers["content-type"]
    assert told.headers.get("etag") == asked.headers.get("etag")
    assert told.headers.get("content-length") == asked.headers.get("content-length")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/jobs", 200), ("/v2/health/live", 200), ("/events", 200), ("/none", 404), ("/jobs/none", 404)],
)
def test_head_finds_out_what_is_there(api, path, status):
    told = api.http.head(path)
    assert (told.status_code, told.content) == (status, b"")


@pytest.mark.parametrize("path", ["/result", "/embeddings.h5", "/heatmap.png", "/view"])
def test_who_has_it_already_is_told_so(api, job_id, path):
    tag = api.http.get(f"/jobs/{job_id}{path}").headers["etag"]
    for known in (tag, f"W/{tag}", "*", f'"other", {tag}'):
        answer = api.http.get(f"/jobs/{job_id}{path}", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag and "content-length" not in answer.headers
    assert api.http.get(f"/jobs/{job_id}{path}", headers={"If-None-Match": '"other"'}).status_code == 200


def test_nothing_of_a_job_is_kept_by_caches(api, job_id):
    for path in ("", "/result", "/layers"):
        assert "no-store" in api.http.get(f"/jobs/{job_id}{path}").headers["cache-control"]


def test_another_method_is_refused(api, job_id):
    for method, path in (("PUT", f"/jobs/{job_id}"), ("OPTIONS", "/session"), ("POST", "/static/js/api.js")):
        answer = api.http.request(method, path)
        check_problem(answer, 405, "method_not_allowed")
    check_problem(api.http.options("/none"), 404, "not_found")


def test_an_error_after_head_has_no_body_either():
    """A body would be taken for the next answer on the line."""

    async def broken(scope, receive, send):
        raise RuntimeError("unforeseen")

    scope = {"type": "http", "method": "HEAD", "path": "/jobs", "headers": []}
    with pytest.raises(RuntimeError):
        asyncio.run(Bodiless(broken, own_head="/uploads")(scope, None, None))
    assert scope["method"] == "HEAD"
