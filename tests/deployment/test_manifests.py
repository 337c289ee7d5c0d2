"""What deploy/kubernetes states: valid, closed, and the same as docker-compose.yml where that says it, too."""

import re
import subprocess
from functools import cache
from urllib.parse import urlsplit

import pytest
from deployment.compose_file import ROOT, ComposeFile
from deployment.manifests import manifests, workers_wanted
from deployment.networks import allowed_by_networks, allowed_by_policies, closed, selects
from deployment.schemas_of_kubernetes import mistakes
from memory_graph_workers.tasks.app import HEALTH, app
from memory_graph_workers.tasks.config import TaskConfig

COMPOSE = ComposeFile({"SECRETS_DIR": "secrets"})
OVERLAYS = ["all-in-one", "managed"]
OLDEST, NEWEST = "1.27", "1.37"
SECRET = "memory-graph-workers"


@pytest.fixture(params=OVERLAYS)
def overlay(request):
    return manifests(request.param)


@pytest.fixture
def whole():
    return manifests("all-in-one")


@cache
def scaled_object():
    (found,) = manifests("managed").of("ScaledObject")
    return found["spec"]


def containers(overlay):
    for name, pod in overlay.pods.items():
        for stated in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            yield name, stated


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field_of_every_object(overlay, version):
    plain = [one for one in overlay.documents if one["kind"] != "ScaledObject"]
    assert len(plain) > 20
    assert [said for one in plain for said in mistakes(one, version)] == []


def test_a_field_that_kubernetes_does_not_know_is_found(whole):
    worker = whole.workloads["worker"]
    assert mistakes(worker | {"spec": worker["spec"] | {"replica": 3}}, NEWEST)


def test_each_part_runs_the_command_and_environment_of_the_compose_file(whole):
    services = {name: service for name, service in COMPOSE.services.items() if name != "migrate"}
    assert set(whole.services) == set(services)
    for name, service in services.items():
        container = whole.services[name]
        assert container.command == service.command
        stated = {variable: value for variable, value in service.environment.items() if value}
        assert stated.items() <= container.environment.items()


def test_each_service_migrates_its_own_tables_before_it_starts_and_while_no_older_pod_runs(overlay):
    migrated = {name: c.before[0].command for name, c in overlay.services.items() if c.before}
    assert migrated == {name: ["mgw", "migrate", name] for name in ("registry", "vault", "memory-graph")}
    assert {overlay.workloads[name]["spec"]["strategy"]["type"] for name in migrated} == {"Recreate"}


def test_pods_reach_each_other_as_services_of_the_compose_file_do(whole):
    assert allowed_by_policies(whole) == allowed_by_networks(COMPOSE)


def test_nothing_reaches_a_pod_or_gets_out_of_it_that_no_policy_allows(overlay):
    assert closed(overlay)


def test_a_pod_may_do_and_write_as_little_as_it_needs(overlay):
    for pod in overlay.pods.values():
        spec = pod["spec"]
        assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {kind for volume in spec["volumes"] for kind in volume} <= {"name", "secret", "emptyDir"}
    for _, stated in containers(overlay):
        assert stated["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


def test_our_pods_run_as_the_user_of_the_image(overlay):
    (user,) = re.findall(r"^USER (\d+):\d+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    ours = {name: pod for name, pod in overlay.pods.items() if name not in ("redis", "postgres")}
    assert {str(pod["spec"]["securityContext"]["runAsUser"]) for pod in ours.values()} == {user}


def test_no_secret_is_in_an_environment_and_each_pod_sees_only_its_own(overlay, tmp_path):
    subprocess.run(["sh", ROOT / "deploy" / "new-secrets", tmp_path / "made"], check=True, capture_output=True)
    made = {path.name for path in (tmp_path / "made").iterdir()}
    for name, container in overlay.services.items():
        assert [one for one in container.environment if re.search("PASSWORD|KEY|AUTH|REDIS_URL|DATABASE_URL", one)
                and not one.endswith("_FILE")] == []  # fmt: skip
        (volume,) = (one["secret"] for one in container.pod["volumes"] if "secret" in one)
        seen = {item["path"] for item in volume["items"]}
        assert {item["key"] for item in volume["items"]} == seen <= made
        assert (volume["secretName"], volume["defaultMode"]) == (SECRET, 0o440)
        wanted = {value.rpartition("/")[2] for value in container.environment.values() if "/run/secrets/" in value}
        assert wanted <= seen
        if name in COMPOSE.services:
            assert seen == set(COMPOSE.services[name].stated["secrets"])


def test_every_container_asks_for_what_it_needs_and_gets_no_more_than_in_the_compose_file(overlay):
    for name, stated in containers(overlay):
        resources = stated["resources"]
        assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}
        limits = COMPOSE.services.get(name, COMPOSE.services["flower"]).stated.get("deploy", {})
        if limits and stated["name"] == name:
            stated_there = limits["resources"]["limits"]
            assert cores(resources["limits"]["cpu"]) == float(stated_there["cpus"])
            assert resources["limits"]["memory"] == f"{stated_there['memory']}i"


def cores(text):
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def test_every_part_that_stays_is_asked_when_it_starts_and_later(overlay):
    for name, container in overlay.services.items():
        if name != "vault-expire":
            assert {kind for kind in container.stated if kind.endswith("Probe")} == {
                "startupProbe",
                "readinessProbe",
                "livenessProbe",
            }
            liveness = container.stated["livenessProbe"]
            assert (
                liveness["periodSeconds"] * liveness["failureThreshold"] >= 300
            )  # an outage is nothing to restart for


def test_a_worker_has_time_to_put_back_what_it_does_not_finish(overlay):
    worker = overlay.services["worker"]
    assert float(worker.environment["WORKER_GRACE_SECS"]) == TaskConfig().grace_secs
    assert worker.grace_secs >= TaskConfig().grace_secs + 15


def test_every_part_gets_the_time_to_stop_that_the_compose_file_gives_it(whole):
    stays = [name for name, service in COMPOSE.services.items() if service.probes]
    grace = {name: whole.services[name].grace_secs for name in stays}
    assert grace == {name: COMPOSE.services[name].grace_secs for name in stays}


def test_what_there_is_more_than_one_of_is_not_evicted_at_the_same_time(overlay):
    several = manifests("managed").workloads
    several = {name for name, one in several.items() if one["spec"].get("replicas", 2) > 1 and one["kind"] != "CronJob"}
    budgets = [one["spec"] for one in overlay.of("PodDisruptionBudget")]
    labels = {name: pod["metadata"]["labels"] for name, pod in overlay.pods.items()}
    covered = [name for budget in budgets for name in labels if selects(budget["selector"], labels[name])]
    assert sorted(covered) == sorted(several) == ["beat", "memory-graph", "registry", "vault", "worker"]


def test_every_address_of_the_settings_is_a_service_in_front_of_a_part_that_listens_there(overlay):
    fronts = {one["metadata"]["name"]: one["spec"] for one in overlay.of("Service")}
    for name, front in fronts.items():
        (port,) = front["ports"]
        labels = overlay.pods[name]["metadata"]["labels"]
        assert selects({"matchLabels": front["selector"]}, labels)
        assert {"name": port["targetPort"], "containerPort": port["port"]} in overlay.services[name].stated["ports"]
    ports = {(name, front["ports"][0]["port"]) for name, front in fronts.items()}
    urls = [urlsplit(value) for key, value in overlay.services["worker"].environment.items() if key.endswith("_URL")]
    assert len(urls) == 3
    assert {(url.hostname, url.port) for url in urls} <= ports


def test_expired_archives_are_deleted_only_where_somebody_switched_that_on(overlay):
    (job,) = overlay.of("CronJob")
    assert (job["spec"]["suspend"], job["spec"]["concurrencyPolicy"]) == (True, "Forbid")


def test_keda_never_takes_the_last_workers_and_finds_every_queue_whose_tasks_wait_for_services():
    spec = scaled_object()
    assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]
    assert "replicas" not in manifests("managed").workloads["worker"]["spec"]
    queues = {queue.name for queue in app.conf.task_queues} - {HEALTH}
    locations = [trigger["metadata"]["valueLocation"] for trigger in spec["triggers"]]
    for gauge in ("mgw_queue_backlog", "mgw_queue_oldest_age_seconds"):
        assert {f'{gauge}{{queue="{queue}"}}' for queue in queues} <= set(locations)
    assert len(locations) == 2 * len(queues)


@pytest.mark.parametrize(
    ("values", "workers"),
    [
        ({}, 0),
        ({"registry_backlog": 600, "vault_backlog": 900}, 3),
        ({"archival_backlog": 3, "archival_age": 240}, 4),
        ({"registry_backlog": 5000, "archival_backlog": 3, "archival_age": 240}, 10.006),
        ({"archival_backlog": 0, "archival_age": 7200}, 0),  # held
    ],
)
def test_keda_wants_workers_for_what_waits_and_for_how_long_and_none_for_what_is_held(values, workers):
    names = [trigger["name"] for trigger in scaled_object()["triggers"]]
    assert workers_wanted(dict.fromkeys(names, 0.0) | values) == workers


def test_keda_asks_the_metrics_by_a_name_that_its_own_namespace_knows():
    managed = manifests("managed")
    (front,) = (one for one in managed.of("Service") if one["metadata"]["name"] == "metrics")
    (way_in,) = (one["spec"] for one in managed.of("NetworkPolicy") if one["metadata"]["name"] == "metrics")
    for trigger in scaled_object()["triggers"]:
        url = urlsplit(trigger["metadata"]["url"])
        assert url.hostname == f"metrics.{front['metadata']['namespace']}.svc"
        assert url.port == front["spec"]["ports"][0]["port"]
        assert url.port == way_in["ingress"][0]["ports"][0]["port"]


def test_what_keda_is_told_are_fields_that_it_knows():
    spec = scaled_object()
    fields = {
        "scaleTargetRef",
        "minReplicaCount",
        "maxReplicaCount",
        "pollingInterval",
        "fallback",
        "advanced",
        "triggers",
    }
    assert spec.keys() == fields
    assert spec["scaleTargetRef"] == {"name": "worker"}
    assert spec["fallback"].keys() == {"failureThreshold", "replicas", "behavior"}
    assert spec["advanced"].keys() == {"scalingModifiers", "horizontalPodAutoscalerConfig"}
    assert spec["advanced"]["scalingModifiers"].keys() == {"formula", "target", "metricType"}
    for trigger in spec["triggers"]:
        assert (trigger["type"], trigger["useCachedMetrics"]) == ("metrics-api", True)
        assert trigger["metadata"].keys() == {"url", "format", "valueLocation"}
        assert trigger["metadata"]["format"] == "prometheus"


def test_kubernetes_knows_how_fast_keda_may_scale():
    spec = scaled_object()
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "keda-hpa-worker"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "worker"},
            "minReplicas": spec["minReplicaCount"],
            "maxReplicas": spec["maxReplicaCount"],
            **spec["advanced"]["horizontalPodAutoscalerConfig"],
        },
    }
    assert mistakes(hpa, OLDEST) == []
