"""What the deployment's files say must be what the code has."""

import re

import yaml

from app.jobs.queue import JobQueue
from app.jobs.record import PRIORITIES
from app.settings import Settings
from tests.service import ROOT

COMPOSE = [ROOT / "compose.yaml", ROOT / "docker" / "share-redis.yaml", ROOT / "docker" / "worker-host.yaml"]
EXAMPLE = (ROOT / ".env.example").read_text()
FIXED = {f"XMAG_{name}" for name in ("HOST", "PORT", "DATA_DIR", "MODELS_DIR", "SLIDE_ROOTS", "DEVICE", "LOG_FORMAT")}


def test_every_variable_of_the_compose_files_is_in_the_example_and_no_other():
    used = {name for file in COMPOSE for name in re.findall(r"\$\{(XMAG_[A-Z_]+)", file.read_text())}
    said = set(re.findall(r"^#?((?:XMAG)_[A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert used - said == {"XMAG_BUILD_NETWORK"}
    assert said <= used


def test_every_setting_can_be_made_through_compose_or_is_the_image():
    compose = COMPOSE[0].read_text()
    missing = {f"XMAG_{name.upper()}" for name in Settings.model_fields} - FIXED
    assert {name for name in missing if f"{name}: ${{{name}:-" not in compose} == set()


def test_defaults_of_compose_are_the_codes():
    compose, compared = COMPOSE[0].read_text(), 0
    for name, field in Settings.model_fields.items():
        found = re.search(rf"XMAG_{name.upper()}: \${{XMAG_{name.upper()}:-([^}}]*)}}", compose)
        if found and found[1] and isinstance(field.default, int | float | str):
            assert found[1] == str(field.default).removesuffix(".0"), name
            compared += 1
    assert compared > 10


def test_kubernetes_scales_on_the_streams_that_there_are():
    scaled = yaml.safe_load((ROOT / "docker" / "kubernetes" / "scaled.yaml").read_text())
    streams = [trigger["metadata"]["stream"] for trigger in scaled["spec"]["triggers"]]
    assert sorted(streams) == sorted(JobQueue.stream(priority) for priority in PRIORITIES)


def test_alerts_and_dashboard_ask_for_metrics_that_there_are():
    metrics = (ROOT / "app" / "api" / "metrics.py").read_text()
    names = set(re.findall(r'"(xmag_[a-z_]+)"', metrics))
    for file in ("alerts.yml", "dashboard.json"):
        text = (ROOT / "docker" / "monitoring" / file).read_text()
        asked = {name.removesuffix("_total") for name in re.findall(r"\b(xmag_[a-z_]+)", text)}
        assert asked
        assert asked <= names
