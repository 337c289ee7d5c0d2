"""The system as docker-compose.yml states it, run on this host: the demo's checks, and a stop that loses nothing."""

import subprocess
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from deployment.compose_file import ComposeFile
from deployment.rig import Rig
from memory_graph_workers.cli.demo.conversations import read_conversations, shipped
from memory_graph_workers.cli.demo.ledger import AGED_BY, read_ledger
from memory_graph_workers.cli.demo.verification import Verifier, sessions_by_id
from memory_graph_workers.cli.stack.ports import http_status
from memory_graph_workers.clients.config import MemoryGraphConfig, RegistryConfig, VaultConfig
from memory_graph_workers.clients.memory_graph import MemoryGraphClient
from memory_graph_workers.clients.registry import RegistryClient
from memory_graph_workers.clients.vault import VaultClient
from memory_graph_workers.schemas.registry import SessionStatus
from sqlalchemy import make_url
from support.waiting import until

SESSIONS = 40
SWEEP_EVERY_HOURS = 2 / 3600
LATE = 600  # more than a worker does while they are sent
ENQUEUE = (
    "from memory_graph_workers.schemas.registry import SessionRegistration\n"
    "from memory_graph_workers.tasks.bulk import enqueue_many\n"
    "from memory_graph_workers.tasks.registry import register_session\n"
    f"enqueue_many(register_session, [SessionRegistration(f'late-{{number}}', 'gpt-4') for number in range({LATE})])"
)


class Deployment:
    """The rig, and clients that read its services with the keys of its secrets."""

    def __init__(self, rig, clients):
        self.rig = rig
        environ = rig.environ(rig.file.services["worker"])
        quiet = dict.fromkeys(("REGISTRY_LOGGING", "VAULT_LOGGING", "MEMORY_GRAPH_LOGGING"), "false")
        self.registry = clients.enter_context(RegistryClient(RegistryConfig.from_env(environ | quiet)))
        self.vault = clients.enter_context(VaultClient(VaultConfig.from_env(environ | quiet)))
        self.graph = clients.enter_context(MemoryGraphClient(MemoryGraphConfig.from_env(environ | quiet)))
        self.source, self.ledger = rig.home / "conversations.jsonl", rig.home / "ledger.jsonl"
        with shipped().open() as lines:
            self.source.write_text("".join(islice(lines, SESSIONS)))

    def produce(self, stage):
        """Let the demo's producer make its sessions, and wait until the Registry knows their tokens and status."""
        producer = ["python", "-m", "memory_graph_workers.cli.demo.producer", stage]
        self.rig.run("worker", *producer, str(self.source), str(self.ledger))
        until(self.is_settled)

    def is_settled(self):
        known = sessions_by_id(self.registry)
        entries = read_ledger(self.ledger)
        return all(
            entry.session_id in known
            and known[entry.session_id].total_tokens == entry.total_tokens
            and known[entry.session_id].status is entry.kind.status
            for entry in entries
        )

    def archived(self):
        return sum(session.status is SessionStatus.ARCHIVED for session in sessions_by_id(self.registry).values())

    def late(self):
        """Sessions of ENQUEUE that the Registry knows."""
        return sum(session_id.startswith("late-") for session_id in sessions_by_id(self.registry))

    def figures(self):
        vault = make_url(self.rig.secret("database_url")).set(drivername="postgresql+psycopg")
        database = vault.update_query_dict({"options": "-csearch_path=vault"})
        verifier = Verifier(self.registry, self.vault, self.graph, database)
        return verifier.figures(read_conversations(self.source), read_ledger(self.ledger))


@pytest.fixture(scope="module")
def deployment(image):
    """Everything but beat runs, and a Registry whose clock is behind, as in the demo."""
    behind = {"REGISTRY_CLOCK_OFFSET_SECS": str(-AGED_BY.total_seconds())}
    # Not pytest's own directory: each run of pytest closes that to other users again, and PostgreSQL may be one.
    with TemporaryDirectory(prefix="deployment-") as home:
        variables = {"SECRETS_DIR": "secrets", "ARCHIVAL_INTERVAL_HOURS": f"{SWEEP_EVERY_HOURS:.6f}"}
        rig = Rig(Path(home), image, ComposeFile(variables))
        try:
            rig.up(but={"beat"}, registry=behind)
            with ExitStack() as clients:
                yield Deployment(rig, clients)
        finally:
            rig.close()


def test_the_demos_checks_hold_through_the_services_of_the_file(deployment):
    deployment.produce("aged")
    deployment.rig.stop("registry")
    deployment.rig.start("registry")
    deployment.produce("recent")
    deployment.rig.start("beat")
    due = sum(entry.kind.is_due for entry in read_ledger(deployment.ledger))
    until(lambda: deployment.archived() >= due)
    figures = deployment.figures()
    assert (figures.sessions, figures.verified, figures.ok) == (SESSIONS, due, True), figures


def test_flower_answers_nobody_without_the_password(deployment):
    port = int(deployment.rig.ports["5555"])
    assert [http_status(port, path) for path in ("/", "/api/workers", "/metrics")] == [401, 401, 401]


def test_the_job_of_the_profile_runs_and_deletes_nothing_that_is_still_kept(deployment):
    deployment.rig.run("vault-expire")
    assert deployment.figures().missing == 0


def test_another_encryption_key_is_put_in_front_and_every_archive_can_still_be_read(deployment):
    rig, path = deployment.rig, deployment.rig.secrets / "vault_encryption_keys"
    keys = f"{rig.run('vault', 'mgw', 'vault', 'new-key').strip()},{rig.secret(path.name)}"
    path.unlink()
    path.write_text(keys)
    rig.stop("vault")
    rig.start("vault")
    rig.run("vault", "mgw", "vault", "rotate")
    assert deployment.figures().ok


def test_the_doctor_finds_nothing_that_fails(deployment):
    deployment.rig.run("worker", "mgw", "doctor")


def test_a_worker_stopped_in_the_middle_of_its_work_loses_no_task(deployment):
    rig = deployment.rig
    worker = rig.running["worker"]
    rig.run("worker", "python", "-c", ENQUEUE)
    until(deployment.late)
    rig.stop("worker")
    assert worker.returncode == 0
    assert 0 < deployment.late() < LATE
    rig.start("worker")
    until(lambda: deployment.late() == LATE)
    assert '"groups": []' in rig.run("worker", "mgw", "dead", "list", "--json")


def test_every_service_ends_by_itself_within_its_grace_and_writes_nothing_beside_its_volumes(deployment):
    rig = deployment.rig
    names = [service.name for service in rig.file.in_order() if service.probes]
    for name in reversed(names):
        try:
            rig.stop(name)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{name} did not end in time")
    assert {name: rig.logged(name) for name in names if rig.running[name].returncode} == {}
    assert list((rig.home / "cwd").iterdir()) == []
