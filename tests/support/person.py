"""Somebody at a browser who looks at Flower and its console, and has its password."""

from collections.abc import Iterator

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver import Keys as Pressed
from selenium.webdriver.common.by import By
from support.chromium import ELSEWHERE, chromium, needed
from support.showcase import Showcase
from support.waiting import until


class Person:
    """Somebody who has logged in, and notes all that was read."""

    def __init__(self, browser: Chrome, origin: str) -> None:
        self.browser, self.origin, self.seen = browser, origin, ""

    def visit(self, path: str, *awaited: str) -> str:
        """Go to a page, wait for these texts, and return what is readable."""
        self.browser.get(self.origin + path)
        return self.read(*awaited)

    def read(self, *awaited: str) -> str:
        """Wait for these texts, and return what is readable; nothing may come from another host."""
        until(lambda: all(text in self.text for text in awaited), lambda: f"{awaited} not in {self.text}")
        assert self.browser.execute_script(ELSEWHERE) == []
        self.seen += self.text + self.browser.page_source
        return self.text

    @property
    def text(self) -> str:
        """What is readable now."""
        try:
            return self.browser.find_element(By.TAG_NAME, "body").text
        except StaleElementReferenceException:  # the page looked again by itself
            return ""

    def width(self, pixels: int) -> None:
        """Make the window so wide."""
        view = {"width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)

    def tab_to(self, element_id: str) -> None:
        """Press Tab until an element has the focus."""
        for _ in range(60):
            focused = self.browser.switch_to.active_element
            if focused.get_attribute("id") == element_id:
                return
            self.press(Pressed.TAB)
        pytest.fail(f"No Tab leads to {element_id}")

    def click(self, by: str, value: str) -> None:
        """Click an element, in the middle of the window: Flower's navigation bar stays on top of the page."""
        element = self.browser.find_element(by, value)
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.browser).send_keys(*keys).perform()


@pytest.fixture(scope="module")
def person(shown: Showcase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Somebody at the Flower of the file's `shown`."""
    with chromium(*needed(), tmp_path_factory.mktemp("profile")) as browser:
        host = f"127.0.0.1:{shown.stack.port('flower')}"
        browser.get(f"http://mgw:{shown.stack.keys.flower}@{host}/")
        yield Person(browser, f"http://{host}")
