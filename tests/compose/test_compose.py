"""The containers as a hospital runs them: real slides through the proxy, and what happens when parts are killed."""

import json
import re
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.compose.stack import Stack, free_port, post_path, wait

pytestmark = pytest.mark.timeout(1800)
LONG_JOB = "dev_pdac_adrenal_he_20x_jp2k.svs"
SMALL = "fix_cmu1_small_region.svs"


def test_every_container_is_locked_down(stack: Stack):
    containers = stack.containers()
    assert {c["Config"]["Labels"]["com.docker.compose.service"] for c in containers} == {
        "proxy", "api", "worker-cpu", "redis", "setup",
    }  # fmt: skip
    for container in containers:
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], container["Name"]
        assert host["CapDrop"] == ["ALL"], container["Name"]
        assert "no-new-privileges:true" in host["SecurityOpt"], container["Name"]
        assert host["Memory"] > 0, container["Name"]
        assert host["PidsLimit"] > 0, container["Name"]
        assert container["Config"]["User"] not in {"", "0", "root"}, container["Name"]


@pytest.mark.parametrize("service", ["proxy", "api", "worker-cpu", "redis"])
def test_processes_are_nobody_special(stack: Stack, service):
    script = "id -u; touch /probe 2>/dev/null && echo wrote; touch /slides/probe 2>/dev/null && echo wrote; true"
    assert stack.compose("exec", "-T", service, "sh", "-c", script).decode().split() not in (["0"], [])
    assert b"wrote" not in stack.compose("exec", "-T", service, "sh", "-c", script)


def test_the_api_has_no_model_runtime_and_the_worker_no_way_out(stack: Stack):
    find = "import importlib.util as u; print(u.find_spec('onnxruntime') is not None)"
    assert stack.compose("exec", "-T", "api", "python", "-c", find).decode().strip() == "False"
    assert stack.compose("exec", "-T", "worker-cpu", "python", "-c", find).decode().strip() == "True"
    attached = stack.service("worker-cpu")["NetworkSettings"]["Networks"]
    inspect = ["docker", "network", "inspect", *attached]
    assert [net["Internal"] for net in json.loads(subprocess.check_output(inspect))] == [True]


@pytest.mark.parametrize(
    ("service", "parts"),
    [
        ("worker-cpu", {"onnxruntime", "openslide-bin", "xmag-serve", "libc6"}),
        ("api", {"fastapi", "xmag-serve", "libc6"}),
        ("proxy", {"caddy", "openssl", "libc6"}),
    ],
)
def test_images_say_what_is_in_them(stack: Stack, service, parts):
    folder = "/opt/xmag/share/xmag"
    document = json.loads(stack.compose("exec", "-T", service, "cat", f"{folder}/sbom.cdx.json"))
    assert parts <= {part["name"] for part in document["components"]}
    licences = stack.compose("exec", "-T", service, "cat", f"{folder}/licences.txt").decode().splitlines()
    assert len(licences) == len(document["components"])
    assert parts <= {line.split(" ")[0] for line in licences if not line.endswith((": unknown", ": "))}
    labels = stack.service(service)["Config"]["Labels"]
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.version"] == "test"


def test_a_revoked_key_is_not_made_again(stack: Stack, tmp_path):
    """The first start's script, on volumes of its own."""
    script = (
        "export XMAG_DATA_DIR=/data; first-key.sh >/dev/null; ls /keys; first-key.sh >/dev/null; "
        "xmag keys revoke first 2>/dev/null; rm /keys/first; first-key.sh; ls /keys"
    )
    apart = Stack(f"{stack.name}-keys", tmp_path)
    try:
        said = apart.compose("run", "--rm", "-T", "setup", "sh", "-c", script).decode().split()
    finally:
        apart.compose("down", "-v", check=False)
    assert said == ["first", "monitoring", "monitoring"]


def test_a_slide_through_the_proxy(stack: Stack, archive):
    with stack.client() as http:
        assert httpx.get(f"{stack.url}/jobs", verify=stack.trust(), trust_env=False).status_code == 401
        with (archive / SMALL).open("rb") as slide:
            answer = http.post("/analyze", files={"slide": (SMALL, slide)})
        assert answer.status_code == 202, answer.text
        job = wait(http, answer.json()["id"])
        assert job["state"] == "succeeded", job
        result = http.get(f"/jobs/{job['id']}/result").json()
        assert result["predictions"]
        heatmap = http.get(f"/jobs/{job['id']}/heatmap.png")
        assert heatmap.content.startswith(b"\x89PNG")
        with http.stream("GET", f"/jobs/{job['id']}/events") as events:
            assert "succeeded" in "".join(events.iter_text())


def test_a_slide_of_the_archive(stack: Stack):
    with stack.client() as http:
        assert wait(http, post_path(http, "dev_lusc_he3_40x.svs"))["state"] == "succeeded"
        outside = http.post("/analyze", json={"source": {"type": "path", "path": "/etc/passwd"}})
        assert outside.status_code == 403


def test_an_upload_over_the_limit_is_refused(stack: Stack):
    with stack.client() as http:
        answer = http.post("/analyze", files={"slide": ("big.svs", b"\0" * 64_100_000)})
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"


def test_a_worker_killed_in_mid_job_loses_nothing(stack: Stack):
    with stack.client() as http:
        job_id = post_path(http, LONG_JOB)
        wait(http, job_id, "running")
        stack.signal_worker("KILL")
        job = wait(http, job_id)
        assert (job["state"], job["attempt"]) == ("succeeded", 2)
    assert stack.service("worker-cpu")["RestartCount"] >= 1


def test_a_worker_that_hangs_is_unhealthy(stack: Stack):
    stack.signal_worker("STOP")
    assert stack.health("worker-cpu", "unhealthy") == "unhealthy"
    stack.signal_worker("CONT")
    assert stack.health("worker-cpu", "healthy") == "healthy"


def test_down_and_up_in_mid_queue_loses_nothing(stack: Stack):
    with stack.client() as http:
        jobs = [post_path(http, LONG_JOB) for _ in range(3)]
        wait(http, jobs[0], "running")
    stack.compose("down")
    print(f"up --wait again: {stack.up():.1f} s")
    assert stack.read_key() == stack.key
    with stack.client() as http:
        assert [wait(http, job)["state"] for job in jobs] == ["succeeded"] * 3


def test_an_upgrade_in_mid_queue_loses_nothing(stack: Stack, tmp_path):
    """As after loading new images: `up` replaces all that is ours, the queue stays up."""
    for image in ("api", "proxy", "worker-cpu"):
        subprocess.run(["docker", "tag", f"xmag-serve/{image}:test", f"xmag-serve/{image}:newer"], check=True)
    newer = Stack(stack.name, tmp_path, **{**stack.settings, "XMAG_VERSION": "newer"})
    with stack.client() as http:
        jobs = [post_path(http, LONG_JOB) for _ in range(3)]
        wait(http, jobs[0], "running")
        before = {name: stack.service(name)["Id"] for name in ("api", "proxy", "redis", "worker-cpu")}
        newer.up()
        after = {name: newer.service(name)["Id"] for name in before}
        assert {name for name in before if before[name] != after[name]} == {"api", "proxy", "worker-cpu"}
        assert [wait(http, job)["state"] for job in jobs] == ["succeeded"] * 3
    kept = [newer.compose("exec", "-T", "api", "cat", f"/data/jobs/{job}/attempts") for job in jobs]
    assert any(b'"handed_back"' in attempts for attempts in kept)
    stack.up()


def test_the_proxy_holds_requests_while_the_api_restarts(stack: Stack):
    with stack.client() as http, ThreadPoolExecutor() as pool:
        restarted = pool.submit(stack.compose, "restart", "api")
        answers = []
        while not restarted.done():
            answers.append(http.get("/v2/health/live").status_code)
        restarted.result()
        answers.append(http.get("/v2/health/live").status_code)
    assert set(answers) == {200}


def test_redis_killed_in_mid_queue_loses_nothing(stack: Stack):
    with stack.client() as http:
        jobs = [post_path(http, LONG_JOB) for _ in range(2)]
        wait(http, jobs[0], "running")
        stack.compose("kill", "-s", "KILL", "redis")
        stack.compose("up", "-d", "--wait", "redis")
        assert [wait(http, job)["state"] for job in jobs] == ["succeeded"] * 2
    stack.compose("exec", "-T", "api", "xmag", "audit", "verify")


def test_more_workers_by_one_word(stack: Stack):
    stack.up("--scale", "worker-cpu=2", "--no-recreate")
    with stack.client() as http:
        assert len(http.get("/v2/health/ready").json()["workers"]) == 2
    stack.up("--scale", "worker-cpu=1", "--no-recreate")


def test_a_backup_of_the_running_service_restores_jobs_and_keys(stack: Stack):
    with stack.client() as http:
        over, jobs = post_path(http, SMALL), [post_path(http, LONG_JOB) for _ in range(2)]
        assert wait(http, over)["state"] == "succeeded"
        wait(http, jobs[0], "running")
        before = http.get(f"/jobs/{over}/result").content
        archive = stack.compose("run", "--rm", "-T", "setup", "backup.sh")
    stack.compose("down", "-v")
    stack.compose("run", "--rm", "-T", "setup", "tar", "-C", "/data", "-xpf", "-", stdin=archive)
    stack.up()
    with stack.client() as http:  # the key of before
        assert http.get(f"/jobs/{over}/result").content == before
        assert [wait(http, job)["state"] for job in jobs] == ["succeeded"] * 2
    stack.compose("exec", "-T", "api", "xmag", "audit", "verify")


def test_the_houses_own_certificate(stack: Stack, tmp_path):
    made = "KEY_MODE=0644 certificate.sh /tmp own.example,localhost >&2 && cat"
    (tmp_path / "tls").mkdir(mode=0o755)
    for file in ("cert.pem", "key.pem"):
        content = stack.compose("exec", "-T", "proxy", "sh", "-c", f"{made} /tmp/{file}")
        (tmp_path / "tls" / file).write_bytes(content)
        (tmp_path / "tls" / file).chmod(0o644)
    own = Stack(stack.name, tmp_path, **{**stack.settings, "XMAG_TLS_DIR": str(tmp_path / "tls")})
    try:
        own.up("--no-deps", "proxy")
        trust = ssl.create_default_context(cafile=tmp_path / "tls" / "cert.pem")
        assert httpx.get(f"{own.url}/v2/health/live", verify=trust, trust_env=False).status_code == 200
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get(f"{own.url}/v2/health/live", verify=stack.trust(), trust_env=False)
    finally:
        stack.up("--no-deps", "proxy")


def test_a_worker_of_another_host_through_tls_and_a_password(stack: Stack, tmp_path):
    """Two projects on one engine: the first has no worker of its own, the second nothing else."""
    data, password, port = f"{stack.name}_data", "a-password-of-the-test", free_port()
    stack.compose("down")
    shared = {"XMAG_SLIDES": stack.settings["XMAG_SLIDES"], "XMAG_NAMES": "localhost,first-host"}
    first = Stack(
        stack.name, tmp_path, "compose.yaml", "docker/share-redis.yaml",
        XMAG_REDIS_PASSWORD=password, XMAG_REDIS_PORT=port, **shared,
    )  # fmt: skip
    try:
        first.up("proxy")
        gateway = next(iter(first.service("redis")["NetworkSettings"]["Networks"].values()))["Gateway"]
        (tmp_path / "tls").mkdir()
        certificate = first.compose("exec", "-T", "redis", "cat", "/redis-tls/cert.pem")
        (tmp_path / "tls" / "cert.pem").write_bytes(certificate)
        (tmp_path / "host.yaml").write_text(
            f"services: {{worker-cpu: {{extra_hosts: ['first-host:{gateway}']}}}}\n"
            f"volumes: {{data: {{external: true, name: {data}}}}}\n"
        )
        query = "?ssl_ca_certs=/redis-tls/cert.pem"
        second = Stack(
            f"{stack.name}-second", tmp_path, "compose.yaml", "docker/worker-host.yaml", str(tmp_path / "host.yaml"),
            XMAG_REDIS_URL=f"rediss://:{password}@first-host:{port}/0{query}",
            XMAG_REDIS_TLS=str(tmp_path / "tls"), **shared,
        )  # fmt: skip
        try:
            second.up("--no-deps", "worker-cpu")
            first.key = stack.key
            with first.client() as http:
                assert wait(http, post_path(http, SMALL))["state"] == "succeeded"
        finally:
            second.compose("down", "-v", check=False)  # the data folder is the first host's and stays
    finally:
        first.compose("down", check=False)


def test_the_gpu_profile_asks_for_a_gpu_and_the_cpu_profile_for_none(engine: None):
    def services(*arguments: str) -> dict[str, dict]:
        command = ["docker", "compose", *arguments, "config", "--format", "json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["services"]

    gpu, cpu = services(), services("--profile", "cpu")
    assert {"worker"} == set(gpu) - set(cpu)
    assert {"worker-cpu"} == set(cpu) - set(gpu)
    devices = gpu["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert [device["driver"] for device in devices] == ["nvidia"]
