"""Flower as a person sees it: what is readable, what is not there, and who is not let in."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from support.canaries.words import found_in
from support.chromium import chromium, needed
from support.person import Person
from support.person import person as person
from support.showcase import LARGE, WORKER, Showcase, showcase
from support.waiting import until

TABS = {
    "pool": "Max concurrency", "broker": "redis", "queues": "memory_graph.vault", "tasks": "memory_graph.registry",
    "limits": "memory_graph.vault.archive_session", "config": "task_acks_late", "system": "utime",
}  # fmt: skip


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    needed()
    home = Path(tmp_path_factory.mktemp("browser"))
    with showcase(home, home.name) as shown:
        yield shown


def test_the_workers_are_listed(person: Person) -> None:
    text = person.visit("/workers", WORKER, "Online")
    assert re.search(rf"{WORKER}\s+Online\s+0 6 3 3", text)


def test_every_tab_of_a_worker_is_readable(person: Person) -> None:
    person.visit(f"/worker/{WORKER}", WORKER)
    for tab, text in TABS.items():
        person.click(By.ID, f"worker-tab-{tab}")
        person.read(text)


def test_the_tasks_are_listed_with_names_ids_states_and_sizes(person: Person, shown: Showcase) -> None:
    text = person.visit("/tasks", *shown.ids.values())
    rows = {name: next(line for line in text.splitlines() if task_id in line) for name, task_id in shown.ids.items()}
    assert all(
        re.search(r"memory_graph\.\w+\.\w+ .*(SUCCESS|FAILURE) [\d,]+ bytes in all", row) for row in rows.values()
    )
    assert LARGE < size(rows["archived"]) < LARGE + 1000
    assert size(rows["read"]) < 1000


def size(text: str) -> int:
    return int(re.search(r"([\d,]+) bytes in all", text)[1].replace(",", ""))


def test_the_failed_ones_can_be_picked_out(person: Person, shown: Showcase) -> None:
    person.visit("/tasks", shown.ids["read"])
    person.browser.find_element(By.CSS_SELECTOR, "[data-task-state=FAILURE]").click()
    until(lambda: shown.ids["read"] not in person.text, lambda: person.text)
    assert all(shown.ids[name] in person.read() for name in ("conflict", "missing", "wrong"))


def test_a_task_that_succeeded_says_what_it_was_and_how_large(person: Person, shown: Showcase) -> None:
    text = person.visit(f"/task/{shown.ids['archived']}", "memory_graph.vault.archive_session", "SUCCESS", WORKER)
    assert size(text) > LARGE


@pytest.mark.parametrize(
    ("name", "why"),
    [("conflict", "Refused"), ("missing", "404"), ("wrong", "prompt_tokens")],
)
def test_a_task_that_failed_says_why(person: Person, shown: Showcase, name: str, why: str) -> None:
    person.visit(f"/task/{shown.ids[name]}", shown.ids[name], "FAILURE", why, "bytes in all")


def test_the_queues_are_listed(person: Person) -> None:
    person.visit("/broker", *(f"memory_graph.{name}" for name in ("registry", "vault", "archival", "health")))


def test_nothing_that_was_seen_holds_a_word_or_a_key_and_no_script_broke(person: Person, shown: Showcase) -> None:
    assert all(task_id in person.seen for task_id in shown.ids.values())
    assert found_in(person.seen, shown.secrets) == set()
    assert [entry for entry in person.browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_wrong_password_shows_nothing(shown: Showcase, tmp_path: Path) -> None:
    with chromium(*needed(), tmp_path) as browser:
        for login in ("", "mgw:wrong-password@"):
            browser.get(f"http://{login}127.0.0.1:{shown.stack.port('flower')}/tasks")
            assert WORKER not in browser.page_source
            assert "memory_graph" not in browser.page_source
            status = browser.execute_script("return performance.getEntriesByType('navigation')[0].responseStatus")
            assert status == 401
