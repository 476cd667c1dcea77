"""The audit log of the running service: every deed has an entry, and none names a patient."""

import json
import os
import subprocess
import sys

from tests.service import ROOT, until
from tests.tissue import tissue_slide


def xmag(data_dir, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XMAG_DATA_DIR": str(data_dir)}
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, env=environment, capture_output=True, text=True, timeout=60)


def entries(data_dir) -> list[dict[str, str]]:
    return [json.loads(line) for line in (data_dir / "audit.jsonl").read_text().splitlines()]


def test_a_jobs_life_stands_in_the_log_without_the_patient(guarded_api, tmp_path):
    service, lab, admin = guarded_api.service, guarded_api.keys["lab"], guarded_api.keys["admin"]
    slide = tissue_slide(tmp_path / "Doe^John S26-77.svs")
    job_id = service.post(slide, lab, case_id="S26-77", slide_id="S26-77-A1", context="Doe").json()["id"]
    service.succeed(job_id)
    assert service.http.get(f"/jobs/{job_id}/heatmap.png", headers=admin).status_code == 200
    assert service.http.get(f"/jobs/{job_id}/result", headers=guarded_api.keys["other"]).status_code == 404
    token = {"Authorization": f"Bearer {guarded_api.provider.token(sub='dr-who', ward={'name': 'lab'})}"}
    assert service.http.delete(f"/jobs/{job_id}", headers=token).status_code == 200
    mine = [entry for entry in entries(service.data_dir) if entry["job"] == job_id]
    assert [(entry["action"], entry["who"]) for entry in mine if entry["action"] != "job.over"] == [
        ("job.submit", "key:lab"),
        ("result.read", "key:admin"),
        ("job.erase", "token:dr-who"),
    ]
    (over,) = (entry for entry in mine if entry["action"] == "job.over")
    assert over["detail"].startswith("succeeded 20")
    assert {entry["tenant"] for entry in mine} == {"lab"}
    assert {entry["address"] for entry in mine if entry["who"] != "service"} == {"127.0.0.1"}
    text = (service.data_dir / "audit.jsonl").read_text()
    assert "Doe" not in text and "S26" not in text


def test_logs_and_metrics_name_requests_and_jobs_and_no_patient(guarded, tmp_path):
    service, admin, name = guarded.service, guarded.keys["admin"], "0af7651916cd43dd8448eb211c80319c"
    slide = tissue_slide(tmp_path / "Muster^Maria S26-78.svs")
    answer = service.post(
        slide, {**admin, "X-Request-ID": name}, case_id="S26-78", slide_id="S26-78-A1", context="Muster"
    )
    job_id = answer.json()["id"]
    assert answer.headers["x-request-id"] == name
    until(lambda: service.http.get(f"/jobs/{job_id}", headers=admin).json()["state"] == "succeeded", 60)
    damaged = tmp_path / "Muster^Maria S26-79.svs"
    damaged.write_bytes(slide.read_bytes()[:9000])
    refused = service.post(damaged, {**admin, "X-Request-ID": "Muster^Maria"}, case_id="S26-79")
    assert refused.status_code == 422 and "Muster" not in refused.text
    assert len(refused.headers["x-request-id"]) == 36
    mine = [event for event in service.events() if event.get("request") == name]
    assert {"job.accepted", "attempt.started", "job.finished"} <= {event["event"] for event in mine}
    assert {event["job"] for event in mine if "job" in event} == {job_id}
    metrics = service.http.get("/metrics", headers=admin).text
    counted = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert float(counted['xmag_attempts_total{repeated="false"}']) >= 1
    assert float(counted['xmag_wait_seconds_sum{priority="routine"}']) > 0
    everything = "\n".join(service.lines) + metrics
    for word in ("Muster", "S26-78", "S26-79", str(tmp_path)):
        assert word not in everything


def test_cancelling_and_keys_stand_there_too_and_the_command_verifies(guarded, tmp_path):
    service, lab = guarded.service, guarded.keys["lab"]
    job_id = service.post(tissue_slide(tmp_path / "s.svs", side_px=3136), lab).json()["id"]
    assert service.http.delete(f"/jobs/{job_id}", headers=lab).status_code == 200
    data = service.data_dir
    key = xmag(data, "keys", "create", "visitor", "--scope", "read").stdout.strip()
    assert xmag(data, "keys", "revoke", "visitor").returncode == 0
    found = [(entry["action"], entry["who"]) for entry in entries(data)]
    assert ("job.cancel", "key:lab") in found
    assert {("key.create", f"console:{os.getuid()}"), ("key.revoke", f"console:{os.getuid()}")} <= set(found)
    assert key not in (data / "audit.jsonl").read_text()
    verdict = xmag(data, "audit", "verify", "--expect", entries(data)[0]["sha256"])
    assert verdict.returncode == 0, verdict.stderr
    assert "entries; the last:" in verdict.stdout
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("audit.jsonl", "audit.head"):
        (copy / name).write_text((data / name).read_text().replace("key:lab", "key:bob", 1))
    verdict = xmag(copy, "audit", "verify")
    assert verdict.returncode == 1
    assert "was changed" in verdict.stderr
    logged = {str(event.get("sha256")) for event in service.events() if event["event"] == "audit.appended"}
    assert any(entry["sha256"] in logged for entry in entries(data))  # a copy of the hashes leaves by the service's log
