import os
import subprocess
import sys

from tests.api.answers import check_problem
from tests.service import ROOT
from tests.tissue import tissue_slide


def test_a_key_is_needed_except_for_health(guarded):
    service, keys = guarded.service, guarded.keys
    answer = service.http.get("/jobs")
    check_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    for headers in ({"Authorization": "Bearer xmag_wrong"}, {"Authorization": "Basic eA=="}):
        check_problem(service.http.get("/jobs", headers=headers), 401, "unauthenticated")
    for path in ("/metrics", "/v2/models", "/v2/models/xmag-lite0"):
        assert service.http.get(path).status_code == 401
        assert service.http.get(path, headers=keys["viewer"]).status_code == 200
    assert service.http.get("/v2/health/ready").status_code == 200


def test_scopes_and_tenants(guarded_api, tmp_path):
    service, keys = guarded_api.service, guarded_api.keys
    slide = tissue_slide(tmp_path / "slide.svs")
    check_problem(service.post(slide, keys["viewer"]), 403, "forbidden")
    job_id = service.post(slide, keys["lab"]).json()["id"]
    assert service.http.get(f"/jobs/{job_id}", headers=keys["viewer"]).status_code == 200
    assert service.http.get(f"/jobs/{job_id}", headers=keys["admin"]).status_code == 200
    for path in ("", "/result", "/heatmap.png", "/events"):
        check_problem(service.http.get(f"/jobs/{job_id}{path}", headers=keys["other"]), 404, "job_not_found")
    check_problem(service.http.delete(f"/jobs/{job_id}", headers=keys["other"]), 404, "job_not_found")
    assert job_id not in [job["id"] for job in service.http.get("/jobs", headers=keys["other"]).json()["jobs"]]
    seen = [job["id"] for job in service.http.get("/jobs", headers=keys["viewer"]).json()["jobs"]]
    assert job_id in seen
    check_problem(service.http.delete(f"/jobs/{job_id}", headers=keys["viewer"]), 403, "forbidden")


def test_a_revoked_key_opens_nothing_at_once(guarded_api):
    service, store = guarded_api.service, guarded_api.store
    token = store.create("leaver", "lab", ("read",))
    headers = {"Authorization": f"Bearer {token}"}
    assert service.http.get("/jobs", headers=headers).status_code == 200
    store.revoke("leaver")
    check_problem(service.http.get("/jobs", headers=headers), 401, "unauthenticated")


def test_an_open_address_without_keys_is_refused(tmp_path):
    environment = os.environ | {"XMAG_DATA_DIR": str(tmp_path), "XMAG_HOST": "0.0.0.0", "XMAG_PORT": "0"}
    found = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve"],
        cwd=ROOT,
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 78
    assert "xmag keys create" in found.stderr
    assert "Traceback" not in found.stderr
