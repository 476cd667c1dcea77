import re
import shutil
from pathlib import Path

import pytest

from tests.api.answers import check_problem
from tests.service import ROOT, Service, until


def test_live_and_ready_name_the_worker_and_its_model(service):
    assert service.http.get("/v2/health/live").json()["live"] is True
    ready = service.http.get("/v2/health/ready").json()
    assert (ready["ready"], ready["queue"], ready["draining"], ready["reasons"]) == (True, True, False, [])
    (worker,) = ready["workers"]
    assert (worker["model"], worker["provider"]) == ("xmag-lite0", "CPUExecutionProvider")


def test_models_say_what_they_are_worth(api):
    (summary,) = api.http.get("/v2/models").json()["models"]
    assert (summary["name"], summary["is_default"], summary["tasks"]) == ("xmag-lite0", True, ["malignancy"])
    detail = api.http.get("/v2/models/xmag-lite0").json()
    (head,) = detail["manifest"]["heads"]
    assert (summary["trained"], summary["validated"]) == (head["trained"], head["validated"])
    assert head["intended_use"]
    check_problem(api.http.get("/v2/models/none"), 404, "model_not_found")


def test_metrics_count_jobs_and_never_name_them(service, tissue):
    job_id = service.submit(tissue, case_id="SECRET-CASE")
    service.wait(job_id)
    done = r'xmag_jobs_over_total\{code="",state="succeeded"\} [1-9]'
    for counted in (done, r"xmag_tiles_total [1-9]", r"xmag_batch_tiles_total [1-9]"):
        until(lambda pattern=counted: re.search(pattern, service.http.get("/metrics").text) is not None)
    text = service.http.get("/metrics").text
    assert 'xmag_queue_jobs{priority="stat"}' in text
    assert re.search(r"xmag_workers 1\.0", text)
    counts = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert 0 < float(counts["xmag_batch_tiles_total"]) <= float(counts["xmag_batch_slots_total"])
    assert float(counts["xmag_batch_slots_total"]) % 4 == 0
    assert float(counts["xmag_batches_split_total"]) == 0
    assert float(counts['xmag_attempts_total{repeated="true"}']) >= 0
    assert float(counts["xmag_disk_free_bytes"]) > float(counts["xmag_disk_free_min_bytes"])
    assert float(counts['xmag_callbacks_total{result="given_up"}']) == 0
    waited = [float(counts[f'xmag_wait_seconds_bucket{{le="{le}",priority="routine"}}']) for le in ("1.0", "+Inf")]
    assert waited == sorted(waited)
    assert 1 <= waited[1] <= float(counts['xmag_attempts_total{repeated="false"}'])
    for stage in ("open", "survey", "read_wait", "embed", "aggregate"):
        assert float(counts[f'xmag_stage_seconds_total{{stage="{stage}"}}']) >= 0
    assert 'route="/jobs/{job_id}"' in text
    assert "SECRET" not in text
    assert job_id not in text


def test_the_reference_is_served_from_our_own_files(api):
    root = api.http.get("/", follow_redirects=True)
    assert "Worklist" in root.text
    assert "default-src 'none'" in root.headers["content-security-policy"]
    linked = re.findall(r'(?:src|href)="([^"]+)"', root.text)
    assert len(linked) >= 3
    for link in linked:
        assert not re.match(r"(https?:)?//", link)
        assert api.http.get(link).status_code == 200


def test_the_openapi_document_describes_every_route_with_examples(api):
    document = api.http.get("/openapi.json").json()
    assert {
        "/analyze", "/jobs", "/jobs/{job_id}", "/jobs/{job_id}/events", "/jobs/{job_id}/result",
        "/jobs/{job_id}/heatmap.png", "/jobs/{job_id}/attention.geojson", "/jobs/{job_id}/embeddings.h5",
        "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/{name}", "/metrics",
    } <= set(document["paths"])  # fmt: skip
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references <= set(document["components"]["schemas"])
    assert "Problem" in references


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_pages_of_other_sites_are_refused(api, tissue, header):
    check_problem(api.http.get("/jobs", headers=header), 403, "forbidden")
    check_problem(api.post(tissue, header), 403, "forbidden")


def test_our_own_pages_are_not(api):
    assert api.http.get("/jobs", headers={"Origin": api.url}).status_code == 200


def test_logs_name_no_file_case_or_path(service, tissue, slide_root):
    service.wait(service.submit(tissue, case_id="LOGGED-CASE"))
    body = {"source": {"type": "path", "path": str(tissue)}}
    service.wait(service.http.post("/analyze", json=body).json()["id"])
    text = "\n".join(service.lines)
    assert "LOGGED-CASE" not in text
    assert str(slide_root) not in text
    assert tissue.name not in text


def test_no_page_of_ours_asks_another_host():
    web = Path(ROOT) / "app" / "web"
    pages = [*web.glob("docs/*.html"), *web.glob("docs/*.js"), *web.glob("docs/*.css")]
    assert pages
    for page in pages:
        assert not re.search(r"""["'(]\s*(https?:)?//""", page.read_text()), page.name


def test_models_that_are_not_there_are_the_servers_fault_and_not_the_slides(tmp_path, tissue):
    models = tmp_path / "models"
    shutil.copytree(ROOT / "models" / "xmag-lite0", models / "xmag-lite0")
    service = Service(tmp_path / "data", models_dir=models).start()
    try:
        models.rename(tmp_path / "elsewhere")
        body = check_problem(service.post(tissue), 503, "no_model")
        assert (body["origin"], body["retryable"]) == ("system", True)
        assert "XMAG_MODELS_DIR" in body["detail"] and str(tmp_path) not in body["detail"]
        service.wait_for_line(f"No usable model in {re.escape(str(models))}")  # for the operator, in the log
        (reason,) = service.http.get("/v2/health/ready").json()["reasons"]
        assert "XMAG_MODELS_DIR" in reason
        check_problem(service.post(tissue, model="xmag-lite0"), 422, "model_not_found")
        (tmp_path / "elsewhere").rename(models)
        assert service.post(tissue).status_code == 202
    finally:
        service.stop()
