"""The system as the manifests state it, run on this host: all parts start at once, and KEDA wants the right number."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import pytest
from deployment.manifests import manifests, workers_wanted
from deployment.rig import Rig
from memory_graph_workers.clients.config import RegistryConfig
from memory_graph_workers.clients.registry import RegistryClient
from prometheus_client.parser import text_string_to_metric_families
from support.waiting import until

pytestmark = pytest.mark.stack

SESSIONS = 700
ENQUEUE = (
    "from memory_graph_workers.schemas.registry import SessionRegistration\n"
    "from memory_graph_workers.tasks.bulk import enqueue_many\n"
    "from memory_graph_workers.tasks.registry import register_session\n"
    f"enqueue_many(register_session, [SessionRegistration(f's-{{number}}', 'gpt-4') for number in range({SESSIONS})])"
)


class Cluster:
    """The rig, what KEDA would read of it, and how many workers it would want."""

    def __init__(self, rig):
        self.rig = rig
        (scaled,) = manifests("managed").of("ScaledObject")
        self.triggers = {one["name"]: one["metadata"]["valueLocation"] for one in scaled["spec"]["triggers"]}

    def metrics(self):
        with urlopen(f"http://127.0.0.1:{self.rig.ports['9540']}/metrics", timeout=10) as response:
            families = list(text_string_to_metric_families(response.read().decode()))
        return {located(sample): sample.value for family in families for sample in family.samples}

    def wanted(self):
        metrics = self.metrics()
        return workers_wanted({name: metrics[location] for name, location in self.triggers.items()})

    def held(self):
        return [value for name, value in self.metrics().items() if name.startswith("mgw_queue_held")]

    def sessions(self):
        quiet = self.rig.environ(self.rig.file.services["worker"]) | {"REGISTRY_LOGGING": "false"}
        with RegistryClient(RegistryConfig.from_env(quiet)) as registry:
            return registry.list_sessions(page_size=1).total


def located(sample):
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}}" if labels else sample.name


@pytest.fixture(scope="module")
def cluster(image):
    """Every part, started at the same time; a part that gives up before its needs are there fails the test."""
    with TemporaryDirectory(prefix="kubernetes-") as home:
        rig = Rig(Path(home), image, manifests("all-in-one"))
        try:
            rig.up_at_once()
            yield Cluster(rig)
        finally:
            rig.close()


def test_keda_wants_a_worker_for_each_500_tasks_and_none_for_a_queue_that_is_held(cluster):
    rig = cluster.rig
    until(lambda: not any(cluster.held()), cluster.metrics)  # the worker was there before the services
    rig.stop("worker")
    rig.run("worker", "python", "-c", ENQUEUE)
    assert cluster.wanted() >= SESSIONS / 500
    rig.stop("registry")
    rig.start("worker")
    until(lambda: cluster.wanted() == 0, cluster.metrics)
    assert cluster.metrics()['mgw_queue_messages_waiting{queue="memory_graph.registry"}'] > 0
    rig.start("registry")
    until(cluster.sessions)


def test_the_job_runs(cluster):
    cluster.rig.run("vault-expire")


def test_every_part_ends_by_itself_within_its_grace_and_writes_nothing_beside_its_volumes(cluster):
    rig = cluster.rig
    names = [name for name in rig.running if name not in ("redis", "postgres")]
    for name in (*names, "redis", "postgres"):
        try:
            rig.stop(name)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{name} did not end in time")
    assert {name: rig.logged(name) for name in names if rig.running[name].returncode} == {}
    assert list((rig.home / "cwd").iterdir()) == []
