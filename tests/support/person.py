"""Somebody at a browser who has logged in to the Flower of a showcase."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from support.chromium import ELSEWHERE, chromium, needed
from support.showcase import Showcase
from support.waiting import until


class Person:
    """Goes to pages, and reads what is there."""

    def __init__(self, browser: Chrome, origin: str) -> None:
        self.browser, self.origin = browser, origin

    def visit(self, path: str, *awaited: str) -> str:
        """Go to a page, wait for these texts, and answer what is readable."""
        self.browser.get(self.origin + path)
        return self.read(*awaited)

    def read(self, *awaited: str) -> str:
        until(lambda: all(text in self.text for text in awaited), lambda: f"{awaited} not in {self.text}")
        assert self.browser.execute_script(ELSEWHERE) == []
        return self.text

    @property
    def text(self) -> str:
        try:
            return self.browser.find_element(By.TAG_NAME, "body").text
        except StaleElementReferenceException:  # the page looked again by itself
            return ""


P = TypeVar("P", bound=Person)


@contextmanager
def logged_in(kind: type[P], shown: Showcase, profile: Path) -> Iterator[P]:
    """A person of a kind, whose browser ends with the block."""
    with chromium(*needed(), profile) as browser:
        host = f"127.0.0.1:{shown.stack.port('flower')}"
        browser.get(f"http://mgw:{shown.stack.keys.flower}@{host}/")
        yield kind(browser, f"http://{host}")
