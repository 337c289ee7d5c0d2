"""The console as a person sees it: in a wide and in a narrow window, by keyboard, and with scripts or without."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, Reason
from memory_graph_workers.delivery.held_queues.holds import DOWN, HoldStore
from redis import Redis
from selenium.webdriver import Keys as Pressed
from selenium.webdriver.common.by import By
from support.canaries.words import found_in
from support.chromium import needed
from support.our_app import KEYS
from support.person import Person
from support.person import person as person
from support.showcase import Showcase, showcase
from support.waiting import until

VAULT = "memory_graph.vault"
PAGES = ("/queues", "/sweeps", "/sweeps/dry-run", "/dead-letters", "/doctor")
HOSTILE = "<img src=x onerror='document.title=1'>\x1b[31m"
# What a narrow window would have to scroll sideways for; a region that scrolls by itself may be wider.
TOO_WIDE = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What stands beyond the window's edge.
BEYOND = """
return [...document.querySelectorAll('.console td, .console th[scope=row], .console label, .console button')]
    .filter(e => e.offsetWidth && e.innerText.trim().length > 2 && e.getBoundingClientRect().right > innerWidth)
    .map(e => e.innerText)
"""
WITHOUT_NAME = """
return [...document.querySelectorAll('.console input:not([type=hidden]), .console select, .console button, .console a')]
    .filter(e => !(e.labels && e.labels.length) && !e.innerText.trim() && !e.getAttribute('aria-label'))
    .map(e => e.outerHTML)
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showcase]:
    needed()
    home = Path(tmp_path_factory.mktemp("browser"))
    with showcase(home, home.name) as shown:
        with Redis.from_url(shown.stack.environ["REDIS_URL"]) as redis:
            letters = DeadLetters(redis, KEYS, Bounds())
            letters.add(DeadLetter(HOSTILE, Reason.UNKNOWN_TASK, HOSTILE, HOSTILE, HOSTILE, HOSTILE))
        yield shown


@pytest.fixture
def redis(shown: Showcase) -> Iterator[Redis]:
    with Redis.from_url(shown.stack.environ["REDIS_URL"]) as redis:
        yield redis


def test_every_page_is_reached_from_flowers_own(person: Person) -> None:
    person.width(1280)
    for name in ("Queues", "Sweeps", "Dead letters", "Doctor"):
        person.visit("/workers", "Workers")
        person.browser.find_element(By.LINK_TEXT, name).click()
        until(lambda name=name: person.browser.title == f"{name} · Flower")
        assert person.browser.find_element(By.CSS_SELECTOR, "[aria-current=page]").text == name


@pytest.mark.parametrize("pixels", [400, 1280])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_no_scrolling_sideways_and_each_control_has_a_name(person: Person, path: str, pixels: int) -> None:
    person.width(pixels)
    person.visit(path)
    if path == "/doctor":
        person.read("To check again")
    assert person.browser.execute_script(TOO_WIDE) == 0
    assert person.browser.execute_script(BEYOND) == []
    assert person.browser.execute_script(WITHOUT_NAME) == []
    assert len(person.browser.find_elements(By.TAG_NAME, "h1")) == 1
    for table in person.browser.find_elements(By.CSS_SELECTOR, ".console table"):
        assert table.find_elements(By.TAG_NAME, "caption")
        assert table.find_elements(By.CSS_SELECTOR, "th[scope=col]")


def test_in_a_narrow_window_each_cell_names_its_column(person: Person) -> None:
    person.width(400)
    person.visit("/queues", VAULT)
    before = "return getComputedStyle(document.querySelector('td[data-label=Waiting]'), '::before').content"
    assert person.browser.execute_script(before) in ('"Waiting: "', '"Waiting" ": "')
    person.width(1280)
    assert person.browser.execute_script(before) == "none"


def test_a_queue_is_held_and_released_by_keyboard_alone(person: Person, redis: Redis) -> None:
    person.width(400)
    person.visit("/queues", VAULT)
    person.tab_to("queue")
    outline = person.browser.switch_to.active_element.value_of_css_property("outline-style")
    assert outline == "solid"
    person.press("memory_graph.v")
    person.tab_to("reason")
    person.press("the disk is changed")
    person.tab_to("hold")
    person.press(Pressed.SPACE)
    person.press(Pressed.ENTER)
    person.read("The queue is held until a person says otherwise.", "held by mgw", "the disk is changed")
    found = HoldStore(redis, KEYS).by_hand()[VAULT]
    assert (found.is_held, found.by) == (True, "mgw")
    person.browser.find_element(By.ID, "queue").send_keys("memory_graph.v")
    person.click(By.ID, "auto")
    person.press(Pressed.ENTER)
    person.read("it is left to its services")
    assert HoldStore(redis, KEYS).by_hand() == {}


def test_without_a_choice_the_browser_sends_no_form(person: Person, redis: Redis) -> None:
    person.visit("/queues", VAULT)
    person.browser.find_element(By.ID, "reason").send_keys("why", Pressed.ENTER)
    assert "said=" not in person.browser.current_url
    assert HoldStore(redis, KEYS).by_hand() == {}


def test_letters_are_purged_in_two_steps(person: Person, redis: Redis) -> None:
    letters = DeadLetters(redis, KEYS, Bounds())
    for number in range(3):
        letters.add(DeadLetter(f"old-{number}", Reason.EXPIRED, VAULT, "memory_graph.vault.archive_session"))
    person.width(1280)
    person.visit("/dead-letters", "old-0")
    person.browser.find_element(By.ID, "reason").send_keys("expired")
    click(person, "Show what fits")
    until(lambda: "reason=expired" in person.browser.current_url)
    click(person, "Purge …")
    person.read("3 dead letters selected. Nothing was changed.")
    assert letters.has("old-0")
    click(person, "Purge 3 dead letters")
    person.read("Ended: 3 done, 0 left, of 3 dead letters.")  # it looks again by itself
    assert not any(letters.has(f"old-{number}") for number in range(3))


def click(person: Person, text: str) -> None:
    person.click(By.XPATH, f"//button[normalize-space()='{text}']")


def test_sweeps_are_paused_and_resumed(person: Person) -> None:
    person.visit("/sweeps", "Sweeps")
    click(person, "Pause sweeps")
    person.read("Sweeps are paused: none starts.")
    click(person, "Resume sweeps")
    person.read("Sweeps are resumed")


def test_names_that_anybody_chose_are_text(person: Person) -> None:
    text = person.visit("/dead-letters", "<img src=x")
    assert r"\x1b[31m" in text
    assert person.browser.title == "Dead letters · Flower"
    person.click(By.XPATH, "//a[starts-with(normalize-space(), '<img src=x')]")
    person.read("unknown_task", "<img src=x")
    assert person.browser.title == "Dead letter · Flower"


def test_a_held_service_is_offered_for_a_trial(person: Person, redis: Redis) -> None:
    HoldStore(redis, KEYS).put("vault", 0, DOWN)
    assert re.search(rf"{VAULT} 0 0 for vault, \d+ s ago", person.visit("/queues", "Try a service now"))
    HoldStore(redis, KEYS).release("vault")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_read_and_used_without_scripts(person: Person, path: str) -> None:
    person.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        person.browser.get(person.origin + path)
        links = [one.text for one in person.browser.find_elements(By.CSS_SELECTOR, "nav[aria-label=Console] a")]
        assert links == ["Queues", "Sweeps", "Dead letters", "Doctor"]
        assert person.browser.find_element(By.TAG_NAME, "h1").is_displayed()
    finally:
        person.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_nothing_that_was_seen_holds_a_word_or_a_key_and_no_policy_was_broken(person: Person, shown: Showcase) -> None:
    for path in PAGES:
        person.visit(path)
        assert found_in(person.browser.page_source, shown.secrets) == set()
    severe = [entry for entry in person.browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []
