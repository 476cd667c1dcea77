"""docker/monitoring: every alert is tried on data both ways, and Prometheus understands what the dashboard asks."""

import json
import shutil
import subprocess
from collections import defaultdict

import pytest
import yaml

from tests.service import ROOT

MONITORING = ROOT / "docker" / "monitoring"
RULES = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
CASES = yaml.safe_load((MONITORING / "alerts.test.yml").read_text())["tests"]
PANELS = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool here (Debian's package prometheus)")


def promtool(*arguments: object) -> "subprocess.CompletedProcess[str]":
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def test_every_alert_is_tried_where_it_must_fire_and_where_it_must_not():
    tried: dict[str, set[bool]] = defaultdict(set)
    for case in CASES:
        for check in case["alert_rule_test"]:
            tried[check["alertname"]].add(bool(check.get("exp_alerts")))
    assert dict(tried) == {rule["alert"]: {False, True} for rule in RULES}


@needs_promtool
def test_alerts_do_on_data_what_is_expected():
    found = promtool("test", "rules", MONITORING / "alerts.test.yml")
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_that_never_fires_is_noticed(rule, tmp_path):
    never = [{**other, "expr": "vector(0) > 1"} if other == rule else other for other in RULES]
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": [{"name": "xmag", "rules": never}]}))
    shutil.copy(MONITORING / "alerts.test.yml", tmp_path)
    found = promtool("test", "rules", tmp_path / "alerts.test.yml")
    assert found.returncode == 1
    assert rule["alert"] in found.stdout + found.stderr


@needs_promtool
def test_prometheus_understands_every_question_of_the_dashboard(tmp_path):
    questions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    rules = [{"record": f"panel:{at}", "expr": question} for at, question in enumerate(questions)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    found = promtool("check", "rules", tmp_path / "panels.yml")
    assert found.returncode == 0, found.stdout + found.stderr


def test_panels_lie_beside_each_other_and_have_numbers_of_their_own():
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in PANELS)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
