"""What the deployment's files say must be what the code has."""

import configparser
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from app.run.supervisor import EXIT_SETUP
from app.settings import Settings
from tests.service import ROOT

OVERLAYS = ("share-redis", "worker-host", "object-store", "own-ca", "callbacks", "alertmanager")
COMPOSE = [ROOT / "compose.yaml", *(ROOT / "docker" / f"{name}.yaml" for name in OVERLAYS)]
EXAMPLE = (ROOT / ".env.example").read_text()
FIXED = {
    f"XMAG_{name}"
    for name in (
        "HOST",
        "PORT",
        "DATA_DIR",
        "HEARTBEAT_DIR",
        "MODELS_DIR",
        "SLIDE_ROOTS",
        "OBJECT_CA_FILE",
        "DEVICE",
        "LOG_FORMAT",
    )
}


def test_every_variable_of_the_compose_files_is_in_the_example_and_no_other():
    used = {name for file in COMPOSE for name in re.findall(r"\$\{(XMAG_[A-Z_]+)", file.read_text())}
    said = set(re.findall(r"^#?((?:XMAG)_[A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert used - said == {"XMAG_BUILD_NETWORK", "XMAG_REVISION"}  # the tests' and docker/build.sh's
    assert said <= used
    assert {f"docker/{name}.yaml" for name in OVERLAYS} <= set(re.findall(r"docker/[a-z-]+\.yaml", EXAMPLE))


def test_every_setting_can_be_made_through_compose_or_is_the_image():
    compose = COMPOSE[0].read_text().replace('"', "")
    missing = {f"XMAG_{name.upper()}" for name in Settings.model_fields} - FIXED
    assert {name for name in missing if f"{name}: ${{{name}:-" not in compose} == set()


@pytest.mark.parametrize(
    ("service", "modules"),
    [
        ("api", "app.run.api_process"),
        ("worker", "app.jobs.worker.worker, app.jobs.upkeep.reconcile"),
        ("worker-cpu", "app.jobs.worker.worker, app.jobs.upkeep.reconcile"),
    ],
)
def test_a_container_is_given_every_setting_that_its_code_reads(service, modules):
    """One that only the other is given has two values in one installation: workers erase and unpack too."""
    list_files = f"import sys, {modules}; print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('app.')))"
    files = subprocess.check_output([sys.executable, "-c", list_files], cwd=ROOT, text=True).split()
    read = {name for file in files for name in re.findall(r"settings\.([a-z_]+)\b", Path(file).read_text())}
    wanted = {f"XMAG_{name.upper()}" for name in read & set(Settings.model_fields)} - FIXED
    assert len(wanted) > 10
    assert wanted - set(yaml.safe_load(COMPOSE[0].read_text())["services"][service]["environment"]) == set()


def test_defaults_of_compose_are_the_codes():
    compose, compared = COMPOSE[0].read_text().replace('"', ""), 0
    for name, field in Settings.model_fields.items():
        found = re.search(rf"XMAG_{name.upper()}: \${{XMAG_{name.upper()}:-([^}}]*)}}", compose)
        if found and found[1] and isinstance(field.default, int | float | str):
            assert found[1] == str(field.default).removesuffix(".0"), name
            compared += 1
    assert compared > 10


def test_defaults_of_the_example_are_the_codes():
    compared = 0
    for name, field in Settings.model_fields.items():
        found = re.search(rf"^#?XMAG_{name.upper()}=(\S+)$", EXAMPLE, re.MULTILINE)
        if found and isinstance(field.default, int | float):
            assert found[1] == f"{field.default:g}" or int(found[1]) == field.default, name
            compared += 1
    assert compared > 10


def test_there_is_one_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    others = [
        "docker/xmag.Dockerfile",
        "docker/proxy.Dockerfile",
        "docker/kubernetes/kustomization.yaml",
        ".env.example",
    ]
    said = r"(?:XMAG_VERSION:-|XMAG_VERSION=|ARG VERSION=|newTag: |xmag-)(\d+\.\d+\.\d+)"
    texts = [file.read_text() for file in [*COMPOSE, *map(ROOT.joinpath, others), ROOT / "docs" / "operations.md"]]
    found = [match for text in texts for match in re.findall(said, text)]
    assert len(found) > 10
    assert set(found) == {version}


def test_images_of_others_are_pinned_and_redis_is_the_free_one():
    services = yaml.safe_load(COMPOSE[0].read_text())["services"].values()
    images = {service["image"] for service in services if "build" not in service}
    assert "redis:7.2-bookworm" in images
    assert all(re.search(r":v?\d+\.\d+", image) for image in images)


def test_a_worker_is_given_longer_than_it_may_take_to_drain():
    drain_s, grace_s = (
        int(re.search(rf"{name}:-(\d+)", COMPOSE[0].read_text())[1]) for name in ("XMAG_DRAIN_S", "XMAG_STOP_GRACE")
    )
    assert grace_s >= drain_s + 10


def test_alerts_and_dashboard_ask_for_metrics_that_there_are():
    metrics = (ROOT / "app" / "api" / "routes" / "metrics.py").read_text()
    names = set(re.findall(r'"(xmag_[a-z_]+)"', metrics))
    for file in ("alerts.yml", "dashboard.json"):
        text = (ROOT / "docker" / "monitoring" / file).read_text()
        asked = {re.sub("_(total|bucket|count)$", "", name) for name in re.findall(r"\b(xmag_[a-z_]+)", text)}
        assert asked
        assert asked <= names


def test_the_dashboard_is_provisioned_with_the_data_source_that_there_is():
    monitoring = ROOT / "docker" / "monitoring"
    sources = yaml.safe_load((monitoring / "datasource.yml").read_text())["datasources"]
    panels = json.loads((monitoring / "dashboard.json").read_text())["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"] for source in sources}
    provider = yaml.safe_load((monitoring / "dashboards.yml").read_text())["providers"][0]
    mounts = yaml.safe_load(COMPOSE[0].read_text())["services"]["grafana"]["volumes"]
    assert any(f":{provider['options']['path']}/" in mount for mount in mounts)


def test_the_alertmanager_is_looked_for_where_its_file_is_mounted():
    (alertmanager,) = yaml.safe_load((ROOT / "docker" / "monitoring" / "prometheus.yml").read_text())["alerting"][
        "alertmanagers"
    ]
    (mount,) = yaml.safe_load((ROOT / "docker" / "alertmanager.yaml").read_text())["services"]["prometheus"]["volumes"]
    assert [mount.split(":")[-2]] == alertmanager["file_sd_configs"][0]["files"]


def test_the_unit_gives_time_to_drain_and_does_not_repeat_a_start_that_cannot_work():
    unit = configparser.RawConfigParser()
    unit.optionxform = str
    unit.read(ROOT / "docker" / "xmag.service")
    service = unit["Service"]
    named = set(re.findall(r"XMAG_[A-Z_]+", service["Environment"]))
    assert named
    assert named <= {f"XMAG_{name.upper()}" for name in Settings.model_fields}
    assert service["KillMode"] == "mixed"  # else SIGTERM takes the readers from the jobs that are to be finished
    # What `xmag serve` gives to API and worker, and then to the queue.
    assert int(service["TimeoutStopSec"]) >= Settings.model_fields["drain_s"].default + 30
    assert int(service["RestartPreventExitStatus"]) == EXIT_SETUP


def test_every_alert_says_what_it_means():
    rules = yaml.safe_load((ROOT / "docker" / "monitoring" / "alerts.yml").read_text())["groups"][0]["rules"]
    rows = re.findall(r"^\| `(Xmag\w+)` \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(rule["alert"] for rule in rules)
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")
