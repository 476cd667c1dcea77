"""What no schema sees in docker/kubernetes: that its parts find each other, and the code. Schemas: `make lint`."""

import re
from typing import Any

import pytest
import yaml

from app.jobs.queue.queue import JobQueue
from app.records.record import PRIORITIES
from app.settings import Settings
from tests.service import ROOT

FOLDER = ROOT / "docker" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
DOCUMENTS = [d for name in KUSTOMIZATION["resources"] for d in yaml.safe_load_all((FOLDER / name).read_text())]
SETTINGS = dict(line.split("=", 1) for line in KUSTOMIZATION["configMapGenerator"][0]["literals"])
PODS = {d["metadata"]["name"]: d["spec"]["template"] for d in DOCUMENTS if "template" in d.get("spec", {})}


def one(kind: str, name: str) -> dict[str, Any]:
    return next(d for d in DOCUMENTS if (d["kind"], d["metadata"]["name"]) == (kind, name))


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def test_kustomize_names_every_manifest_and_every_image_of_ours():
    assert sorted([*KUSTOMIZATION["resources"], "kustomization.yaml"]) == sorted(f.name for f in FOLDER.glob("*.yaml"))
    images = {c["image"] for pod in PODS.values() for c in containers(pod)}
    assert images == {image["name"] for image in KUSTOMIZATION["images"]} | {"redis:7.2-bookworm"}


def test_settings_are_the_codes():
    assert set(SETTINGS) <= {f"XMAG_{name.upper()}" for name in Settings.model_fields}
    assert PODS["worker"]["spec"]["terminationGracePeriodSeconds"] >= int(SETTINGS["XMAG_DRAIN_S"]) + 10
    proxies = tuple(SETTINGS["XMAG_TRUSTED_PROXIES"].split(","))
    assert Settings(trusted_proxies=proxies).trusted_proxies == proxies


@pytest.mark.parametrize("name", PODS)
def test_nobody_reaches_a_pod_who_is_not_named(name: str):
    policy = one("NetworkPolicy", name)["spec"]
    assert policy["podSelector"] == {"matchLabels": PODS[name]["metadata"]["labels"]}
    assert "Ingress" in policy["policyTypes"]
    for rule in policy.get("ingress", []):
        assert all(peer for peer in rule["from"])  # an empty one would be everybody
        assert {port["port"] for port in rule["ports"]} == {
            port["containerPort"] for container in containers(PODS[name]) for port in container.get("ports", [])
        }


def test_only_labelled_namespaces_speak_for_clients_of_the_api():
    """Whoever reaches the API from inside may say what address a request comes from."""
    (rule,) = one("NetworkPolicy", "api")["spec"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"xmag/reaches-api": "true"}}}]


def test_the_queue_is_where_api_workers_and_keda_look_for_it():
    service = one("Service", "redis")
    port = service["spec"]["ports"][0]["port"]
    assert SETTINGS["XMAG_REDIS_URL"] == f"redis://redis:{port}/0"
    addresses = {t["metadata"]["address"] for t in one("ScaledObject", "worker")["spec"]["triggers"]}
    assert addresses == {f"redis.{KUSTOMIZATION['namespace']}.svc:{port}"}
    assert one("StatefulSet", "redis")["spec"]["serviceName"] == service["metadata"]["name"]


def test_keda_scales_the_workers_on_the_streams_that_there_are():
    scaled = one("ScaledObject", "worker")["spec"]
    assert one("Deployment", scaled["scaleTargetRef"]["name"])
    streams = [trigger["metadata"]["stream"] for trigger in scaled["triggers"]]
    assert sorted(streams) == sorted(JobQueue.stream(priority) for priority in PRIORITIES)


def test_workers_are_counted_by_the_sum_of_all_streams():
    scaled = one("ScaledObject", "worker")["spec"]
    names = [trigger["name"] for trigger in scaled["triggers"]]
    assert [trigger["metadata"]["stream"] for trigger in scaled["triggers"]] == [
        JobQueue.stream(name) for name in names
    ]
    assert sorted(scaled["advanced"]["scalingModifiers"]["formula"].split(" + ")) == sorted(names)


def test_a_rollout_ends_where_every_gpu_is_taken():
    """A new pod would wait for ever for the GPU of an old one that stays until the new one is ready."""
    assert one("Deployment", "worker")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_a_worker_reaches_a_node_with_a_gpu_and_does_not_count_on_all_of_its_processors():
    assert PODS["worker"]["spec"]["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    (worker,) = containers(PODS["worker"])
    assert int(worker["resources"]["limits"]["cpu"]) <= 64


def test_a_drain_of_nodes_takes_one_worker_at_a_time():
    budget = one("PodDisruptionBudget", "worker")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"] == PODS["worker"]["metadata"]["labels"]


def test_selectors_meet_labels_and_mounts_meet_volumes():
    labels = {pod["metadata"]["labels"]["app"] for pod in PODS.values()}
    text = "".join((FOLDER / name).read_text() for name in KUSTOMIZATION["resources"])
    assert set(re.findall(r"(?:selector|matchLabels): \{app: (\w+)\}", text)) == labels
    claims = {d["metadata"]["name"] for d in DOCUMENTS if d["kind"] == "PersistentVolumeClaim"}
    assert set(re.findall(r"claimName: (\w+)", text)) == claims


@pytest.mark.parametrize("name", ["api", "worker"])
def test_a_pod_does_not_wait_until_every_file_of_the_data_was_given_to_its_group(name: str):
    context = PODS[name]["spec"]["securityContext"]
    assert context["fsGroup"] == 10001
    assert context["fsGroupChangePolicy"] == "OnRootMismatch"
    assert context["supplementalGroups"]


def test_a_worker_is_not_killed_because_the_queue_is_away_for_a_while():
    """Its sign of life needs Redis."""
    (worker,) = containers(PODS["worker"])
    assert worker["readinessProbe"]["exec"] == worker["livenessProbe"]["exec"]
    assert worker["livenessProbe"]["periodSeconds"] * worker["livenessProbe"]["failureThreshold"] >= 1800


@pytest.mark.parametrize("name", PODS)
def test_pods_are_as_locked_down_as_the_namespace_wants(name: str):
    """Kubernetes' restricted pod security standard, and a read-only file system with limits on top of it."""
    assert one("Namespace", KUSTOMIZATION["namespace"])["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    pod = PODS[name]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(PODS[name]):
        locked = container["securityContext"]
        assert locked["readOnlyRootFilesystem"]
        assert not locked["allowPrivilegeEscalation"]
        assert locked["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
