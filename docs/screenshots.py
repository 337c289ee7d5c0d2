"""The screenshots in docs/images: a stack runs a few tasks, and a browser takes pictures of its pages.

`make screenshots` writes them. It needs Chromium and chromedriver.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from celery import Celery
from redis import Redis
from selenium.webdriver import Chrome
from support.chromium import HOW, chromium, programs
from support.showcase import Showcase, showcase
from support.waiting import until

IMAGES = Path(__file__).parent / "images"
WIDTH = 1280
SETTLE_SECS = 1.5


def main() -> int:
    """Take every screenshot again; 1 if there is no browser."""
    found = programs()
    if found is None:
        sys.stderr.write(f"{HOW}\n")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "stack").mkdir()
        with (
            showcase(Path(work) / "stack", "screenshots") as shown,
            chromium(*found, Path(work) / "profile", (WIDTH, 800)) as browser,
        ):
            take_all(browser, shown)
    return 0


def take_all(browser: Chrome, shown: Showcase) -> None:
    """Visit each page that the documents show."""
    host = f"127.0.0.1:{shown.stack.port('flower')}"
    browser.get(f"http://mgw:{shown.stack.keys.flower}@{host}/")
    flower = f"http://{host}"
    take(browser, f"{flower}/workers", "flower-workers", 450)
    take(browser, f"{flower}/tasks", "flower-tasks", 640, width=1600)
    take(browser, f"{flower}/task/{shown.ids['archived']}", "flower-task", 760)
    for service in ("registry", "vault"):
        take(browser, f"http://127.0.0.1:{shown.stack.port(service)}/docs", f"{service}-docs", 900)
    take(browser, f"{flower}/broker", "flower-broker", 410)
    hold_and_sweep(shown)
    take(browser, f"{flower}/queues", "console-queues", 820)
    take(browser, f"{flower}/sweeps", "console-sweeps", 420)
    take(browser, f"{flower}/dead-letters", "console-dead-letters", 860)
    browser.get(f"{flower}/doctor")
    until(lambda: "To check again" in browser.page_source)
    take(browser, f"{flower}/doctor", "console-doctor", 760)
    take(browser, f"{flower}/queues", "console-narrow", 820, width=400)


def hold_and_sweep(shown: Showcase) -> None:
    """Let a sweep end, and somebody hold a queue on which tasks wait then."""
    # Only here: what the showcase forks imports this module, and must get its environment before it imports our app.
    from memory_graph_workers.delivery.held_queues.holds import HoldStore
    from memory_graph_workers.tasks.archival.state import Status, Sweeps
    from support.our_app import KEYS

    url, sent = shown.stack.environ["REDIS_URL"], {"sent_at": time.time() - 480}
    with Redis.from_url(url) as redis, Celery(broker=url, set_as_current=False) as producer:
        producer.send_task("memory_graph.archival.sweep", queue="memory_graph.archival")
        until(lambda: any(sweep.status is Status.COMPLETED for sweep in Sweeps(redis).newest()))
        HoldStore(redis, KEYS).hold_by_hand("memory_graph.vault", "ann", "the vault moves until 14:00")
        for _ in range(3):
            producer.send_task("memory_graph.vault.health_check", queue="memory_graph.vault", headers=sent)


def take(browser: Chrome, url: str, name: str, height: int, width: int = WIDTH) -> None:
    """Write the upper part of one page, as high as is said, when its scripts have settled."""
    view = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)
    browser.get(url)
    time.sleep(SETTLE_SECS)
    browser.save_screenshot(str(IMAGES / f"{name}.png"))


if __name__ == "__main__":
    sys.exit(main())
