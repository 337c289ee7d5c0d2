"""What docker-compose.yml states: valid, closed, bounded, and complete with .env.example and the secrets' script."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deployment.compose_file import FILE, ROOT, ComposeFile, filled
from memory_graph_workers.tasks.config import TaskConfig

COMPOSE = ComposeFile({"SECRETS_DIR": "./secrets"})
SERVICES = COMPOSE.services
OURS = SERVICES["migrate"].stated["image"]
STAYING = [name for name, service in SERVICES.items() if service.probes]


def test_the_file_keeps_to_the_compose_specification():
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_without_its_secrets_it_says_how_to_make_them():
    with pytest.raises(ValueError, match=r"cp .env.example .env, then sh deploy/new-secrets secrets"):
        filled(FILE.read_text(), {})


def test_the_example_of_an_env_file_names_every_variable_and_no_secret():
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    example = dict(line.split("=") for line in lines)
    used = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    assert set(example) == used
    assert {name: value for name, value in example.items() if value} == {"SECRETS_DIR": "./secrets"}


def new_secrets(directory):
    subprocess.run(["sh", ROOT / "deploy" / "new-secrets", directory], check=True, capture_output=True)
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_the_script_makes_exactly_the_secrets_that_are_mounted_and_changes_none(tmp_path):
    made = new_secrets(tmp_path / "secrets")
    assert set(made) == set(COMPOSE.document["secrets"])
    assert {name for service in SERVICES.values() for name in service.stated.get("secrets", ())} == set(made)
    assert new_secrets(tmp_path / "secrets") == made
    assert new_secrets(tmp_path / "others")["vault_key"] != made["vault_key"]


@pytest.mark.parametrize("missing", ["od", "tr", "head", "base64"])
def test_without_a_program_that_makes_secrets_it_fails_and_stores_none_that_is_empty(tmp_path, missing):
    (tmp_path / "bin").mkdir()
    for program in {"sh", "cat", "chmod", "mkdir", "mv", "rm", "od", "tr", "head", "base64"} - {missing}:
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    environ = {"PATH": str(tmp_path / "bin")}
    command = [tmp_path / "bin" / "sh", ROOT / "deploy" / "new-secrets", tmp_path / "secrets"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode != 0
    assert "a program is missing" in done.stderr
    assert all(path.stat().st_size for path in (tmp_path / "secrets").iterdir())


def test_secrets_are_closed_to_other_users_of_the_host_and_open_to_the_containers(tmp_path):
    new_secrets(tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o444}


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_an_environment_or_on_a_command_line(name):
    service = SERVICES[name]
    words = "PASSWORD|KEY|AUTH|REDIS_URL|DATABASE_URL"
    open_ones = [variable for variable in service.environment if re.search(words, variable)]
    assert [variable for variable in open_ones if not variable.endswith("_FILE")] == []
    files = {path.rpartition("/")[2] for path in service.environment.values() if path.startswith("/run/secrets/")}
    assert files <= set(service.stated.get("secrets", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_and_write_as_little_as_it_needs(name):
    stated = SERVICES[name].stated
    assert (stated["init"], stated["read_only"], stated["cap_drop"]) == (True, True, ["ALL"])
    assert stated["security_opt"] == ["no-new-privileges:true"]
    assert stated["logging"]["options"]["max-size"]
    assert stated["image"] == OURS or stated["user"] in ("valkey", "postgres")


def test_one_image_is_built_once_and_runs_as_nobody_in_particular():
    assert [name for name, service in SERVICES.items() if "build" in service.stated] == ["migrate"]
    assert "\nUSER 10001:10001\n" in (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]


@pytest.mark.parametrize("name", STAYING)
def test_what_stays_is_started_again_and_bounded_and_given_time_to_stop(name):
    stated = SERVICES[name].stated
    assert stated["restart"] == "unless-stopped"
    assert stated["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert SERVICES[name].grace_secs >= 15


def test_a_worker_has_its_own_grace_and_time_to_put_the_rest_back():
    environment = SERVICES["worker"].environment
    assert float(environment["TASK_TIME_LIMIT_SECS"]) == TaskConfig().time_limit_secs
    assert float(environment["WORKER_GRACE_SECS"]) == TaskConfig().grace_secs
    assert SERVICES["worker"].grace_secs >= TaskConfig().grace_secs + 15


def test_flower_alone_is_published_and_to_this_host_alone():
    published = {name: service.stated["ports"] for name, service in SERVICES.items() if "ports" in service.stated}
    assert published == {"flower": ["127.0.0.1:5555:5555"]}


def test_no_network_of_the_stores_and_services_leads_out():
    networks = COMPOSE.document["networks"]
    inner = {name for name, stated in networks.items() if stated.get("internal")}
    outer = {name for name, service in SERVICES.items() if not set(service.stated["networks"]) <= inner}
    assert outer == {"flower"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_answers_its_settings(name):
    service = SERVICES[name]
    assert all(condition != "service_started" for condition in service.needs.values())
    addresses = {value.partition("://")[2].partition(":")[0] for value in service.environment.values()}
    assert addresses & set(SERVICES) <= set(service.needs)
