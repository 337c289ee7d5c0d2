"""How a deployment gets a Prometheus: beside Compose, and through the Prometheus Operator on Kubernetes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployment.compose_file import ComposeFile
from deployment.manifests import FOLDER as KUBERNETES
from deployment.manifests import MISSING, manifests
from monitoring.rules import FOLDER, ROOT

COMPOSE = ComposeFile({"SECRETS_DIR": "./secrets"})
OVERLAY = FOLDER / "docker-compose.yml"
(PROMETHEUS,) = yaml.safe_load(OVERLAY.read_text())["services"].values()
(SCRAPED,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]


def test_the_overlay_keeps_to_the_compose_specification() -> None:
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", OVERLAY]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_its_container_may_do_as_little_as_ours_and_is_published_to_this_host_alone() -> None:
    flower = COMPOSE.services["flower"].stated
    for name in ("init", "read_only", "cap_drop", "security_opt", "restart", "logging"):
        assert PROMETHEUS[name] == flower[name]
    assert PROMETHEUS["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert PROMETHEUS["ports"] == ["127.0.0.1:9090:9090"]
    assert set(PROMETHEUS["networks"]) <= set(COMPOSE.document["networks"])


def test_what_it_mounts_is_there_and_is_what_it_reads() -> None:
    mounted = dict(reversed(volume.split(":")[:2]) for volume in PROMETHEUS["volumes"])
    files = {inside: ROOT / outside for inside, outside in mounted.items() if outside.startswith("./")}
    assert all(path.is_file() for path in files.values())
    options = dict(option.removeprefix("--").split("=") for option in PROMETHEUS["command"])
    config = files[options["config.file"]]
    wanted = [Path(options["config.file"]).parent / name for name in yaml.safe_load(config.read_text())["rule_files"]]
    assert [path for path in wanted if str(path) not in files] == []
    assert options["storage.tsdb.path"] in mounted


def test_it_scrapes_the_metrics_under_the_name_that_alerts_look_for() -> None:
    assert SCRAPED["job_name"] == "mgw"
    (config,) = SCRAPED["static_configs"]
    host, _, port = config["targets"][0].partition(":")
    metrics = COMPOSE.services[host]
    assert metrics.command[-2:] == ["--port", port]
    assert set(PROMETHEUS["depends_on"]) == {host}
    assert set(PROMETHEUS["networks"]) & set(metrics.stated["networks"])


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """An overlay that takes in the component."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    folder = tmp_path_factory.mktemp("overlay").resolve()
    base, component = (os.path.relpath(KUBERNETES / name, folder) for name in ("base", "prometheus"))
    kustomization = {"namespace": "memory-graph", "resources": [base], "components": [component]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    made = subprocess.run([str(kubectl), "kustomize", folder], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


def test_the_operator_finds_one_service_and_its_port_and_may_reach_it(operated: list[dict[str, Any]]) -> None:
    (monitor,) = (one["spec"] for one in operated if one["kind"] == "ServiceMonitor")
    (endpoint,) = monitor["endpoints"]
    wanted = monitor["selector"]["matchLabels"].items()
    (found,) = (
        one for one in operated if one["kind"] == "Service" and wanted <= one["metadata"].get("labels", {}).items()
    )
    (port,) = (one for one in found["spec"]["ports"] if one["name"] == endpoint["port"])
    (way_in,) = (one["spec"] for one in operated if one["metadata"]["name"] == "prometheus")
    assert way_in["ingress"][0]["ports"] == [{"protocol": "TCP", "port": port["port"]}]
    pods = manifests("all-in-one").pods["metrics"]["metadata"]["labels"]
    assert way_in["podSelector"]["matchLabels"].items() <= pods.items()
    assert {"action": "replace", "targetLabel": "job", "replacement": SCRAPED["job_name"]} in endpoint["relabelings"]


def test_the_command_for_the_alerts_makes_one_object_of_the_operator() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    (command,) = re.findall(r"^(\(printf .*?) \| kubectl", page, re.MULTILINE)
    made = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
    rule = yaml.safe_load(made.stdout)
    assert (made.returncode, rule["kind"]) == (0, "PrometheusRule"), made.stderr
    assert rule["spec"] == yaml.safe_load((FOLDER / "alerts.yml").read_text())
