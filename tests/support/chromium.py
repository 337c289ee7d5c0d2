"""A headless Chromium that knows nothing, asks nobody but who it is sent to, and forgets all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from support.waiting import LONGEST_SECS

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--lang=en-GB",
    "--force-device-scale-factor=1", "--hide-scrollbars",
)  # fmt: skip
# What a page has fetched from elsewhere: it should need nothing of that.
ELSEWHERE = (
    "return performance.getEntriesByType('resource').map(e => e.name).filter(u => !u.startsWith(location.origin))"
)
HOW = "Chromium and its driver are needed; on Debian: apt install chromium chromium-driver"


def programs() -> tuple[str, str] | None:
    """The browser and its driver, where both are installed."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def needed() -> tuple[str, str]:
    """The browser and its driver; without them a test is skipped, and fails in CI."""
    found = programs()
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HOW)
    return found


@contextmanager
def chromium(browser: str, driver: str, profile: Path, size: tuple[int, int] = (1280, 800)) -> Iterator[Chrome]:
    """A browser with a profile of its own, which ends with the block."""
    options = ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(flag)
    started = Chrome(options, Service(driver))
    try:
        started.set_page_load_timeout(LONGEST_SECS)
        yield started
    finally:
        started.quit()
