"""The pages that show the contract of Registry and Vault: every operation is there to read, from this host alone."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import ELSEWHERE, chromium, needed
from memory_graph_workers.cli.processes import Children
from memory_graph_workers.cli.stack import Stack
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

METHODS = {"get", "put", "post", "delete"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    needed()
    home = Path(tmp_path_factory.mktemp("docs"))
    (home / "logs").mkdir()
    with Children(home / "logs") as children:
        stack = Stack(children, home, {})
        stack.start_services()
        yield stack


@pytest.fixture(scope="module")
def browser(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(*needed(), tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("service", ["registry", "vault"])
def test_the_page_shows_every_operation_and_fetches_nothing_from_elsewhere(
    browser: Chrome, stack: Stack, service: str
) -> None:
    url = f"http://127.0.0.1:{stack.port(service)}"
    with urllib.request.urlopen(f"{url}/openapi.json") as answer:
        paths = json.load(answer)["paths"]
    wanted = {f"{method.upper()} {path}" for path, item in paths.items() for method in item if method in METHODS}
    assert len(wanted) >= 7
    browser.get(f"{url}/docs")
    deadline = time.monotonic() + 15
    while (found := operations(browser)) != wanted:
        assert time.monotonic() < deadline, wanted ^ found
        time.sleep(0.1)
    assert browser.execute_script(ELSEWHERE) == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def operations(browser: Chrome) -> set[str]:
    """What a reader finds: method and path of each operation."""
    shown = browser.find_elements(By.CSS_SELECTOR, ".opblock-summary")
    return {
        f"{part.find_element(By.CLASS_NAME, 'opblock-summary-method').text} "
        f"{part.find_element(By.CLASS_NAME, 'opblock-summary-path').text}".replace("\u200b", "")
        for part in shown
    }
