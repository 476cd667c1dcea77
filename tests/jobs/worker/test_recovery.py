"""The real processes, broken: each test starts its own service."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from app.system.redis import RedisConnection
from tests.object_store import BUCKET, KEYS
from tests.service import ROOT, Service, until
from tests.tissue import tissue_slide


@pytest.fixture(scope="module")
def long_slide(tmp_path_factory):
    """About 100 tiles: a second or more of work."""
    return tissue_slide(tmp_path_factory.mktemp("long") / "long.svs", side_px=3136)


@pytest.fixture
def fragile(tmp_path):
    service = Service(tmp_path / "data", lease_s=1, drain_s=0).start()
    yield service
    service.stop()


def running(service, slide) -> str:
    job_id = service.submit(slide)
    service.wait(job_id, "running")
    return job_id


def two_in_hand(service, slide) -> list[str]:
    """One worker has both at a time: neither is over when both have begun."""
    ids = [service.submit(slide) for _ in range(2)]
    assert [service.wait(job_id, "running")["state"] for job_id in ids] == ["running"] * 2
    return ids


def attempts_of(service, job_id) -> list[str]:
    """What the job's file of attempts says, line by line: attempt or handed_back."""
    lines = (service.data_dir / "jobs" / job_id / "attempts").read_text().splitlines()
    return [next(iter(json.loads(line))) for line in lines]


def test_a_killed_worker_is_replaced_and_its_jobs_done(fragile, long_slide):
    ids = two_in_hand(fragile, long_slide)
    os.kill(fragile.pid("worker"), signal.SIGKILL)
    for job_id in ids:
        over = fragile.wait(job_id)
        assert (over["state"], over["attempt"]) == ("succeeded", 2)
        assert fragile.http.get(over["links"]["result"]).json()["job"]["attempt"] == 2
        folder = fragile.data_dir / "jobs" / job_id
        assert json.loads((folder / "outcome.json").read_text())["folder"] == "attempt-2"
        assert attempts_of(fragile, job_id) == ["attempt"] * 2


def test_a_killed_api_comes_back_on_the_same_address_and_loses_nothing(fragile, long_slide):
    job_id = running(fragile, long_slide)
    os.kill(fragile.pid("api"), signal.SIGKILL)
    assert fragile.wait(job_id)["state"] == "succeeded"
    assert fragile.wait(fragile.submit(long_slide))["state"] == "succeeded"


def test_a_wiped_and_a_killed_queue_lose_no_job(fragile, long_slide):
    ids = [running(fragile, long_slide), *(fragile.submit(long_slide) for _ in range(2))]
    client = RedisConnection(fragile.queue_url()).client
    client.flushall()
    client.close()
    assert [fragile.wait(job_id)["state"] for job_id in ids] == ["succeeded"] * 3
    last = fragile.submit(long_slide)
    os.kill(fragile.queue_pid(), signal.SIGKILL)
    assert fragile.wait(last)["state"] == "succeeded"


def test_ending_hands_the_jobs_back_uncounted_and_a_restart_takes_them_up(fragile, long_slide):
    in_hand = two_in_hand(fragile, long_slide)
    waiting = fragile.submit(long_slide)
    assert fragile.stop(signal.SIGINT) == 0
    assert [attempts_of(fragile, job_id) for job_id in in_hand] == [["attempt", "handed_back"]] * 2
    assert not (fragile.data_dir / "jobs" / waiting / "attempts").exists()
    again = Service(fragile.data_dir, lease_s=1).start()
    assert [again.wait(one)["state"] for one in (*in_hand, waiting)] == ["succeeded"] * 3
    assert [again.job(job_id)["attempt"] for job_id in in_hand] == [2, 2]
    assert again.stop() == 0


def test_a_worker_paused_beyond_its_lease_adds_no_second_outcome(fragile, long_slide, tmp_path):
    job_id = running(fragile, long_slide)
    paused = fragile.pid("worker")
    os.kill(paused, signal.SIGSTOP)
    helper = fragile.another_worker(tmp_path / "worker.log")
    try:
        assert fragile.wait(job_id)["attempt"] == 2
        outcome = (fragile.data_dir / "jobs" / job_id / "outcome.json").read_bytes()
        os.kill(paused, signal.SIGCONT)
        fragile.wait_for_line(rf"(job.stopping|outcome.already_written).*{job_id}", timeout_s=20)
        assert (fragile.data_dir / "jobs" / job_id / "outcome.json").read_bytes() == outcome
        assert fragile.wait(fragile.submit(long_slide))["state"] == "succeeded"
    finally:
        helper.terminate()
        helper.wait(timeout=20)


def test_a_job_that_kills_every_worker_fails_after_three_attempts(tmp_path, long_slide):
    service = Service(tmp_path / "data", lease_s=0.5, drain_s=0).start()
    try:
        job_id, beside = two_in_hand(service, long_slide)
        attempts = service.data_dir / "jobs" / job_id / "attempts"
        for number in (1, 2, 3):
            until(lambda n=number: attempts.read_text().count('"attempt"') == n, 30)
            os.kill(service.pid("worker"), signal.SIGKILL)
        over = service.wait(job_id)
        assert (over["state"], over["error"]["code"], over["attempt"]) == ("failed", "attempts_exhausted", 3)
        spared = service.wait(beside)  # from then on it was never in hand beside the other
        assert (spared["state"], spared["attempt"]) == ("succeeded", 2)
    finally:
        service.stop()


def test_a_job_that_cannot_be_read_fails_and_the_next_runs(fragile, long_slide, tmp_path):
    os.kill(fragile.pid("worker"), signal.SIGSTOP)
    odd, good = fragile.submit(long_slide), fragile.submit(tissue_slide(tmp_path / "next.svs"))
    path = fragile.data_dir / "jobs" / odd / "request.json"
    path.write_text(path.read_text().replace('"model"', '"models"'))
    os.kill(fragile.pid("worker"), signal.SIGCONT)
    assert fragile.wait(good)["state"] == "succeeded"
    outcome = json.loads((path.parent / "outcome.json").read_text())
    assert (outcome["state"], outcome["error"]["code"]) == ("failed", "record_unreadable")


def test_a_full_disk_refuses_slides_and_leaves_waiting_jobs_waiting(fragile, long_slide, object_server):
    os.kill(fragile.pid("worker"), signal.SIGSTOP)
    job_id = fragile.submit(long_slide)
    os.kill(fragile.pid("worker"), signal.SIGCONT)
    assert fragile.wait(job_id)["state"] == "succeeded"
    fragile.stop()
    store = {"object_roots": f"s3://{BUCKET}", "object_endpoint": object_server.url}
    full = Service(fragile.data_dir, lease_s=1, disk_free_min_bytes=10**18, **store)
    full.besides = KEYS
    full.start()
    sources = (
        {"type": "object", "object": object_server.put("full.svs", b"a slide")},
        {"type": "path", "path": str(long_slide)},
    )
    try:
        refused = [full.http.post("/analyze", json={"source": source}) for source in sources]
        for answer in (full.post(long_slide), *refused):
            assert (answer.status_code, answer.json()["code"]) == (503, "disk_low")
            assert int(answer.headers["retry-after"]) > 0
        assert full.job(job_id)["state"] == "succeeded"
        ready = full.http.get("/v2/health/ready")
        assert ready.status_code == 503 and "disk is too full" in " ".join(ready.json()["reasons"])
    finally:
        full.stop()


def test_a_damaged_record_is_left_out_of_the_list(tmp_path, long_slide):
    before = Service(tmp_path / "data").start()
    damaged, whole = before.submit(long_slide), before.submit(long_slide)
    for job_id in (damaged, whole):
        before.wait(job_id)
    before.stop()
    (before.data_dir / "jobs" / damaged / "outcome.json").write_text("{")
    after = Service(tmp_path / "data").start()
    try:
        assert [job["id"] for job in after.http.get("/jobs").json()["jobs"]] == [whole]
    finally:
        after.stop()


def test_a_model_that_gains_a_task_under_the_workers_fails_no_job_that_did_not_ask_for_it(tmp_path, long_slide):
    folder = tmp_path / "models" / "xmag-lite0"
    shutil.copytree(ROOT / "models" / "xmag-lite0", folder)
    service = Service(tmp_path / "data", models_dir=folder.parent).start()
    try:
        service.wait_for_line("worker.ready")
        manifest = json.loads((folder / "manifest.json").read_text())
        known = manifest["heads"][0]
        shutil.copy(folder / known["file"]["name"], folder / "grading.onnx")
        manifest["heads"].append({**known, "task": "grading", "file": {**known["file"], "name": "grading.onnx"}})
        (folder / "manifest.json").write_text(json.dumps(manifest))
        plain, asked = service.submit(long_slide), service.submit(long_slide, tasks="grading")
        assert service.wait(plain)["state"] == "succeeded"
        over = service.wait(asked)
        assert (over["state"], over["error"]["code"], over["attempt"]) == ("failed", "task_not_found", 1)
        assert "restart the workers" in over["error"]["message"]
    finally:
        service.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system wants root")
def test_a_job_that_finds_no_room_for_its_results_waits_and_leaves_nothing_lying(tmp_path, long_slide):
    jobs = tmp_path / "data" / "jobs"
    jobs.mkdir(parents=True, mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=80", "none", jobs], check=True)
    service = Service(tmp_path / "data", lease_s=1, drain_s=0, slide_roots=long_slide.parent)
    try:
        service.start()
        os.kill(service.pid("worker"), signal.SIGSTOP)
        source = {"type": "path", "path": str(long_slide)}
        job_id = service.http.post("/analyze", json={"source": source}).json()["id"]
        filler = jobs / "filler"
        filler.mkdir()
        with contextlib.suppress(OSError):
            for number in range(80):
                (filler / str(number)).touch()
        for name in list(filler.iterdir())[:7]:  # the attempt begins, and some of its files can be written
            name.unlink()
        os.kill(service.pid("worker"), signal.SIGCONT)
        until(lambda: len([e for e in service.events() if e.get("event") == "attempt.stopped"]) >= 2, 60)
        assert service.job(job_id)["state"] in {"queued", "running"}
        assert len(list((jobs / job_id).glob("attempt-*"))) <= 1
        shutil.rmtree(filler)
        over = service.wait(job_id)
        assert over["state"] == "succeeded"
        assert [folder.name for folder in (jobs / job_id).glob("attempt-*")] == [f"attempt-{over['attempt']}"]
    finally:
        service.stop()
        subprocess.run(["umount", "--lazy", jobs], check=True)


def test_a_job_past_its_deadline_ends(tmp_path, long_slide):
    service = Service(tmp_path / "data", job_deadline_s=0.2).start()
    try:
        over = service.wait(service.submit(long_slide))
        assert (over["state"], over["error"]["code"]) == ("failed", "deadline_exceeded")
    finally:
        service.stop()


def test_when_the_supervisor_dies_nothing_stays_behind(fragile):
    pids = [fragile.pid("worker"), fragile.pid("api"), fragile.queue_pid()]
    fragile.process.kill()
    fragile.process.wait()
    assert len(pids) == 3
    until(lambda: not any(_is_alive(pid) for pid in pids), 30)


def _is_alive(pid) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
