"""How a deployment gets relays of an application's outbox: beside Compose, and by a component on Kubernetes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from deployment.compose_file import ROOT, ComposeFile, Service, filled
from deployment.manifests import FOLDER, MISSING, Manifests
from deployment.networks import selects
from deployment.schemas_of_kubernetes import mistakes

VARIABLES = {"SECRETS_DIR": "./secrets"}
FILE = ROOT / "deploy" / "outbox" / "docker-compose.yml"
OVERLAY = yaml.safe_load(filled(FILE.read_text(), VARIABLES))
RELAY = Service("outbox", OVERLAY["services"]["outbox"])
BASE = ComposeFile(VARIABLES)


def test_the_overlay_keeps_to_the_compose_specification():
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_its_container_runs_our_image_and_may_do_as_little_as_the_others():
    metrics = BASE.services["metrics"].stated
    for name in (
        "image",
        "pull_policy",
        "init",
        "read_only",
        "cap_drop",
        "security_opt",
        "restart",
        "logging",
        "tmpfs",
    ):
        assert RELAY.stated[name] == metrics[name]
    assert RELAY.stated["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert "ports" not in RELAY.stated
    assert set(RELAY.stated["networks"]) <= set(BASE.document["networks"])
    assert set(RELAY.needs) <= set(BASE.services)


def test_its_one_new_secret_is_the_file_that_the_page_says():
    assert set(RELAY.stated["secrets"]) <= {*BASE.document["secrets"], *OVERLAY["secrets"]}
    assert set(OVERLAY["secrets"]) == {"outbox_database_url"}
    files = {path.rpartition("/")[2] for path in RELAY.environment.values()}
    assert files == set(RELAY.stated["secrets"])
    for page in ("deployment", "kubernetes"):
        assert "`secrets/outbox_database_url`" in (ROOT / "docs" / f"{page}.md").read_text()


@pytest.fixture(scope="module", params=["all-in-one", "managed"])
def cluster(request, tmp_path_factory):
    """An overlay that takes in the component."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    folder, overlay = tmp_path_factory.mktemp("overlay").resolve(), FOLDER / "overlays" / request.param
    stated = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    stated["components"] = [*stated.get("components", ()), "../../outbox"]
    for kind in ("resources", "components"):
        stated[kind] = [os.path.relpath(overlay / path, folder) for path in stated[kind]]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(stated))
    command = [kubectl, "kustomize", "--load-restrictor=LoadRestrictionsNone", folder]
    made = subprocess.run(command, capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")
    return Manifests(list(yaml.safe_load_all(made.stdout)))


def test_the_component_runs_the_command_and_environment_of_the_compose_file(cluster):
    container = cluster.services["outbox"]
    assert container.command == RELAY.command
    assert RELAY.environment.items() <= container.environment.items()
    assert "REGISTRY_URL" in container.environment  # what all parts are set to: a key prefix, for example
    assert container.grace_secs == RELAY.grace_secs
    (port,) = {probe.port for probe in container.probes}
    assert RELAY.command[-1] == RELAY.probes[0].words[-1] == port


def test_kubernetes_knows_every_field_of_it(cluster):
    own = [one for one in cluster.documents if one["metadata"]["name"] == "outbox"]
    assert sorted(one["kind"] for one in own) == ["Deployment", "NetworkPolicy", "PodDisruptionBudget"]
    assert [said for one in own for version in ("1.27", "1.37") for said in mistakes(one, version)] == []


def test_its_pods_may_do_as_little_as_the_others(cluster):
    own, other = (cluster.pods[name]["spec"] for name in ("outbox", "metrics"))
    for name in ("serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "securityContext"):
        assert own[name] == other[name]
    (one,), (another,) = own["containers"], other["containers"]
    assert one["securityContext"] == another["securityContext"]
    assert one["image"] == another["image"]
    (secret,) = (volume["secret"] for volume in own["volumes"] if "secret" in volume)
    assert {item["path"] for item in secret["items"]} == set(RELAY.stated["secrets"])


def test_its_pods_reach_redis_and_the_database(cluster):
    labels = cluster.pods["outbox"]["metadata"]["labels"]
    own = [one["spec"] for one in cluster.of("NetworkPolicy") if selects(one["spec"]["podSelector"], labels)]
    ports = [rule.get("ports", [{}])[0].get("port") for policy in own for rule in policy.get("egress", ())]
    assert {5432, 53, None} <= set(ports)
