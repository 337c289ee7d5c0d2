"""What README and docs say is true: tables are those of the code, code blocks run, commands work."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path

import pytest
import yaml
from memory_graph_workers import outbox
from memory_graph_workers.cli.stack.ports import free_port, http_status
from memory_graph_workers.clients import errors
from memory_graph_workers.delivery.dead_letters.store import Reason
from memory_graph_workers.schemas.registry import SessionRegistration, SessionStatus
from memory_graph_workers.schemas.settings import Settings
from memory_graph_workers.services.vault.keys import new_key
from sqlalchemy import NullPool, create_engine
from support.embedded import Embedded, finished
from support.forked import mgw
from support.waiting import LONGEST_SECS, until

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")})
BIN = Path(sys.executable).parent


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Every code block of a language, in the order of the pages, with the place where it stands."""
    for path in DOCUMENTS:
        text = path.read_text()
        for found in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text[: found.start()].count("\n") + 1
            yield f"{path.relative_to(ROOT)}:{line}", found[1]


PROGRAMS = dict(blocks("python"))
LINES = [line for _, block in blocks("bash") for line in block.splitlines()]
COMMANDS = list(dict.fromkeys(line for line in LINES if line and not line.startswith("#")))
SERVE = [line for line in COMMANDS if re.search("mgw (serve|flower|metrics)", line)]
CELERY = [line for line in COMMANDS if re.match(r"([A-Z_]+=\S+ )*celery ", line)]
MGW = [line for line in COMMANDS if re.match(r"mgw (doctor|queues|status|sweep|sweeps|dead|schema)\b", line)]
VAULT = [line for line in COMMANDS if "mgw vault " in line]
OUTBOX = [line for line in COMMANDS if line.startswith("mgw outbox")]
MIGRATE = [line for line in COMMANDS if line.startswith("mgw migrate")]
MAKE = [line for line in COMMANDS if re.search(r"(^|\s)make ", line)]
COMPOSE = [line for line in COMMANDS if line.startswith(("docker compose ", "cp .env.example ", "sh deploy/"))]
KUBERNETES = [line for line in COMMANDS if line.startswith(("kubectl ", "docker build "))]
FLOORS = ("clients", "delivery", "tasks", "services")
INNER = ("walk_page", "archive_batch")
SIGNS = {"worker": "ready", "beat": "beat: Starting", "serve": "ready on"}
SIGNS |= dict.fromkeys(("flower", "metrics"), "Listening on")


@pytest.fixture(scope="session")
def ids(stack: Embedded) -> dict[str, str]:
    """A sweep and a dead letter, for commands that ask for one."""
    for session in list(stack.registry.iter_sessions()):  # those of the documents are in no graph
        stack.registry.delete_session(session.session_id)
    sweep = json.loads(stack.mgw("sweep", "--now", "--json"))
    code = "from memory_graph_workers.tasks.registry import get_session as t; t.delay('none').get(propagate=False)"
    stack.program(code)
    return {"SWEEP_ID": sweep["sweep_id"], "LETTER_ID": letters(stack)[0]["id"]}


def letters(stack: Embedded) -> list[dict[str, str]]:
    return json.loads(stack.mgw("dead", "list", "--all", "--json"))["letters"]


def test_the_tables_say_what_the_code_says() -> None:
    checked = subprocess.run([sys.executable, ROOT / "docs" / "tables.py", "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_no_task_and_no_setting_is_left_out() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    frozen = (ROOT / "tests" / "guards" / "task_names.txt").read_text().splitlines()
    names = {line.partition("(")[0] for line in frozen} - {f"memory_graph.archival.{inner}" for inner in INNER}
    for module in ("clients.config", "tasks.config", "services.serve", "outbox.config", "cli.flower.config"):
        import_module(f"memory_graph_workers.{module}")  # a group is known when its module is imported
    settings = {setting.name for group in groups(Settings) for _, setting, _ in group.table()}
    assert [name for name in sorted(names | settings) if f"| `{name}` |" not in reference] == []


def groups(kind: type[Settings]) -> Iterator[type[Settings]]:
    for group in kind.__subclasses__():
        if group.__module__.startswith("memory_graph_workers."):
            yield group
            yield from groups(group)


def test_every_error_and_every_reason_of_a_dead_letter_is_explained() -> None:
    known = {name for name, value in vars(errors).items() if isinstance(value, type)} | {str(one) for one in Reason}
    text = "".join(path.read_text() for path in DOCUMENTS)
    assert [name for name in known - {"IntegrationError", "TransientError"} if f"`{name}`" not in text] == []


def test_every_message_that_the_operators_page_quotes_is_in_the_code() -> None:
    code = "".join(path.read_text() for folder in FLOORS for path in (ROOT / folder).rglob("*.py"))
    page = (ROOT / "docs" / "operations.md").read_text()
    tables = re.findall(r"^\| (?:reason|what the vault says) \| what .*?(?:\n\n|\Z)", page, re.DOTALL | re.MULTILINE)
    cells = [cell for table in tables for cell in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)]
    quoted = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]
    parts = [part.strip(" :,") for text in quoted for part in re.split(r"…|\d+", text)]
    assert len(quoted) > 10
    assert [part for part in parts if part not in code] == []


def test_every_error_that_a_service_answers_with_is_explained() -> None:
    published = [json.loads(path.read_text()) for path in (ROOT / "docs" / "contract").glob("*.openapi.json")]
    items = [item for contract in published for path in contract["paths"].values() for item in path.values()]
    answered = {code for item in items if isinstance(item, dict) for code in item["responses"] if code >= "400"}
    page = (ROOT / "docs" / "services.md").read_text()
    assert len(published) == 2
    assert set(re.findall(r"^\| ([45]\d\d) \|", page, re.MULTILINE)) == answered


@pytest.mark.parametrize("place", PROGRAMS)
def test_a_program_of_the_documents_runs_and_prints_what_its_comments_say(stack: Embedded, place: str) -> None:
    printed = stack.program(PROGRAMS[place]).splitlines()
    promised = re.findall(r"print\(.*\)  # (.*)$", PROGRAMS[place], re.MULTILINE)
    assert len(printed) == len(promised)
    for line, promise in zip(printed, promised, strict=True):
        assert re.fullmatch(re.escape(promise).replace("…", ".*"), line)


def test_reports_that_were_sent_twice_count_once_and_nothing_failed(stack: Embedded) -> None:
    wanted = 300 + 30 + 30  # the chain and the repeated report of README.md, the message of docs/producers.md
    until(lambda: stack.registry.get_session_usage("s-3").total_tokens == wanted)
    assert letters(stack) == []


@pytest.mark.parametrize("command", MGW)
def test_a_command_of_the_documents_works(stack: Embedded, ids: dict[str, str], command: str) -> None:
    for name, value in ids.items():
        command = command.replace(name, value)
    words = command.split("#")[0].split()[1:]
    assert stack.mgw(*words)


@pytest.mark.parametrize("command", VAULT)
def test_a_command_for_the_vault_works(command: str, tmp_path: Path) -> None:
    own = {
        "VAULT_DATABASE_URL": f"sqlite:///{tmp_path}/vault.db",
        "VAULT_KEYS": "k",
        "VAULT_ENCRYPTION_KEYS": new_key(),
    }
    words = re.split("[#>]", command.partition("mgw ")[2])[0].split()
    for each in (["migrate", "vault"], words):
        done = mgw(*each, environ=os.environ | own)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", MIGRATE)
def test_a_command_for_the_tables_works(command: str, tmp_path: Path) -> None:
    urls = {f"{name}_DATABASE_URL": f"sqlite:///{tmp_path}/{name}.db" for name in ("REGISTRY", "VAULT", "MEMORY_GRAPH")}
    done = mgw(*command.split()[1:], environ=os.environ | urls)
    assert done.returncode == (1 if "--check" in command else 0), done.stderr


@pytest.mark.parametrize("command", [*CELERY, *SERVE])
def test_a_program_that_stays_starts(stack: Embedded, command: str, tmp_path: Path) -> None:
    variables, words = split(command)
    kind = words[3] if words[0] == "celery" else words[1]
    words = [*words[: words.index("--port")], "--port", str(free_port())] if kind == "serve" else words
    port = free_port()
    own = {"worker": ["-n", "of-the-readme"], "flower": [f"--port={port}"], "metrics": [f"--port={port}"]}.get(kind, [])
    environ = stack.environ | variables | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    (tmp_path / "vault.key").write_text(new_key())
    log = tmp_path / "log"
    with log.open("w") as output:
        started = subprocess.Popen([*words, *own], env=environ, stdout=output, stderr=output, cwd=tmp_path)
    try:
        until(lambda: SIGNS[kind] in log.read_text() or started.poll() is not None)
        assert started.poll() is None, log.read_text()
        assert kind != "flower" or [http_status(port, path) for path in ("/", "/api/workers")] == [401, 401]
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(LONGEST_SECS)


def split(command: str) -> tuple[dict[str, str], list[str]]:
    """The variables that a command line sets, and its words."""
    words = command.split("#")[0].split()
    variables = [word for word in words if re.match("[A-Z_]+=", word)]
    return dict(word.split("=", 1) for word in variables), [word for word in words if word not in variables]


@pytest.mark.usefixtures("ids")
def test_the_audit_counts_what_is_in_the_vault_and_names_what_is_not(stack: Embedded) -> None:
    (audit,) = [program for place, program in PROGRAMS.items() if "compliance" in place]
    archived, forged = stack.graph.create_session().id, "archived-by-nobody"
    stack.graph.add_prompt(archived, "Is it there? שלום")
    for session_id in (archived, forged):
        stack.registry.register_session(SessionRegistration(session_id, "gpt-4"))
        stack.registry.update_session_status(session_id, SessionStatus.COMPLETED)
    stack.registry.update_session_status(forged, SessionStatus.ARCHIVED)
    stack.mgw("sweep", "--now")
    printed = stack.program(audit + "print(kept, missing)")
    assert printed.splitlines() == ["missing 1, changed 0", "1 ['archived-by-nobody']"]


@pytest.mark.parametrize("command", OUTBOX)
def test_a_relay_of_the_documents_starts_and_stops(stack: Embedded, command: str, tmp_path: Path) -> None:
    own = {"OUTBOX_DATABASE_URL": f"sqlite:///{tmp_path}/app.db"}
    outbox.create(create_engine(own["OUTBOX_DATABASE_URL"], poolclass=NullPool))
    log = tmp_path / "log"
    relay = [sys.executable, "-m", "memory_graph_workers.cli", *command.split()[1:]]
    with log.open("w") as output:
        started = subprocess.Popen(relay, env=stack.environ | own, stdout=output, stderr=output)
    until(lambda: "Sending what comes" in log.read_text() or started.poll() is not None)
    started.send_signal(signal.SIGTERM)
    assert started.wait(LONGEST_SECS) == 0, log.read_text()


@pytest.mark.parametrize("command", MAKE)
def test_a_target_of_the_documents_is_in_the_makefile(command: str) -> None:
    target = command.split("make ")[1].split()[0]
    finished(["make", "-n", "-C", str(ROOT), target], os.environ, 0)


def test_every_extra_of_the_documents_can_be_installed() -> None:
    named = {name for line in COMMANDS for found in re.findall(r"\.\[(.*?)\]", line) for name in found.split(",")}
    assert named
    assert named <= set(metadata("memory-graph-workers").get_all("Provides-Extra") or ())


def test_every_command_of_the_documents_is_tried() -> None:
    known = ("export ", "pip install ")
    tried = {*CELERY, *SERVE, *MGW, *VAULT, *MIGRATE, *OUTBOX, *MAKE, *COMPOSE, *KUBERNETES}
    left = [line for line in COMMANDS if line not in tried and not line.startswith(known)]
    assert left == []


@pytest.mark.parametrize("command", COMPOSE)
def test_a_command_of_the_deployment_names_what_is_there(command: str) -> None:
    words = command.split()
    files = {file for line in COMMANDS for file in line.removeprefix("export COMPOSE_FILE=").split()[0].split(":")}
    files = {"docker-compose.yml", *(file for file in files if file.endswith("docker-compose.yml"))}
    services = {name for file in files for name in yaml.safe_load((ROOT / file).read_text())["services"]}
    if words[0] == "docker":
        named = {word.partition("=")[0] for word in words[3:] if not word.startswith("-")}
        assert (words[2] in ("build", "up", "ps", "logs", "stop", "down") and named <= services) or services & named
    else:
        assert (ROOT / words[1]).exists()


@pytest.mark.parametrize("command", KUBERNETES)
def test_a_command_for_kubernetes_names_what_is_there(command: str) -> None:
    folder = ROOT / "deploy" / "kubernetes"
    named = [
        *(ROOT / path for path in re.findall(r"--kustomize (\S+)", command)),
        *(folder / "base" / f"{name}.yaml" for name in re.findall(r"deployment/(\S+)", command)),
    ]
    assert [path for path in named if not path.exists()] == []
    namespaces = re.findall(r"--namespace (\S+)", command)
    assert all(
        f"namespace: {name}\n" in (folder / "overlays/managed/kustomization.yaml").read_text() for name in namespaces
    )


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        linked = path.parent / name if name else path
        assert linked.exists(), f"{path.name} links to {target}, and there is no such file"
        assert not anchor or anchor in headings(linked), f"{path.name} links to {target}, and there is no such heading"


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", without_code(path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}
