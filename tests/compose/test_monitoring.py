"""The profile `monitoring`, with Debian's Prometheus as a stand-in. Grafana has none: its files are checked only."""

import json
import time

import pytest

from tests.compose.stack import ROOT, Stack, free_port, post_path, wait

pytestmark = pytest.mark.timeout(900)
STAND_IN = """services:
  prometheus:
    image: xmag-test/prometheus
    entrypoint: [prometheus]
    build:
      network: host
      dockerfile_inline: |
        FROM debian:bookworm-slim
        RUN apt-get update && apt-get install -y --no-install-recommends prometheus
"""


def ask(stack: Stack, expression: str) -> str:
    """Prometheus' answer as promtool prints it, empty for an empty vector; a wrong expression fails."""
    command = ("promtool", "query", "instant", "http://127.0.0.1:9090", expression)
    return stack.compose("exec", "-T", "prometheus", *command).decode().strip()


def until(stack: Stack, expression: str, timeout_s: float = 90) -> str:
    deadline = time.monotonic() + timeout_s
    while not (answer := ask(stack, expression)):
        assert time.monotonic() < deadline, expression
        time.sleep(1)
    return answer


def test_prometheus_sees_the_service_and_its_rules_fire(stack: Stack, tmp_path):
    (tmp_path / "prometheus.yaml").write_text(STAND_IN)
    files = ("compose.yaml", str(tmp_path / "prometheus.yaml"))
    settings = {**stack.settings, "XMAG_HTTPS_PORT": free_port()}
    watched = Stack(f"{stack.name}-watched", tmp_path, *files, **settings)
    try:
        watched.up()
        watched.compose("--profile", "monitoring", "up", "-d", "--build", "--wait", "--no-deps", "prometheus")
        watched.compose("exec", "-T", "prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
        with watched.client() as http:
            assert wait(http, post_path(http, "fix_cmu1_small_region.svs"))["state"] == "succeeded"
        assert " 1 " in until(watched, 'up{job="xmag"} == 1')
        until(watched, 'xmag_jobs_over_total{state="succeeded"}')
        until(watched, "xmag_workers == 1")
        panels = json.loads((ROOT / "docker" / "monitoring" / "dashboard.json").read_text())["panels"]
        for target in (target for panel in panels for target in panel["targets"]):
            ask(watched, target["expr"])
        assert not ask(watched, "ALERTS")
        watched.compose("stop", "worker-cpu")
        assert "XmagNoWorker" in until(watched, "ALERTS")
    finally:
        watched.compose("--profile", "monitoring", "down", "-v", "-t", "5", check=False)
