"""`mgw dead`, `mgw queues` and `mgw doctor` with --app: a shop's own app, with a real worker and a real Valkey."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, HoldStore, Keys, Reason
from support.broker import Broker
from support.broker import broker as broker
from support.forked import celery, mgw
from support.waiting import until

APPS = Path(__file__).parent / "apps"
KEYS = Keys("shop")
TERMINAL = {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}
PART = {"options": {"group": "g", "group_index": 0}, "embed": {"chord": {"task": "pay", "kwargs": {}, "options": {}}}}
PAST = {"options": {"expires": "2020-01-01T00:00:00+00:00"}}


LIST = ["dead", "--app", "shop:app", "list"]


class Shop:
    """The shop's broker, its stores, and mgw as the shop's operator runs it: in the folder of the app's module."""

    def __init__(self, broker: Broker) -> None:
        self.broker, self.environ = broker, {**os.environ, "SHOP_URL": broker.url}
        self.letters, self.holds = DeadLetters(broker.redis, KEYS), HoldStore(broker.redis, KEYS)

    def run(self, *arguments: str, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        done = mgw(*arguments, environ={**self.environ, **environ}, cwd=APPS)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def read(self, *arguments: str, code: int = 0, **environ: str) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code, **environ).stdout)

    def send(self, task: str, *values: object) -> str:
        """Send a task from a process of its own, as the shop's web server does."""
        code = f"from shop import app; print(app.tasks[{task!r}].delay(*{values!r}).id)"
        done = subprocess.run(
            [sys.executable, "-c", code], env=self.environ, cwd=APPS, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    @contextmanager
    def worker(self, app: str = "shop:app", queues: str = "orders,payments", **environ: str) -> Iterator[None]:
        name = app.partition(":")[0]
        log = self.broker.folder / f"{name}.log"
        log.unlink(missing_ok=True)
        options = ["worker", "-c", "1", "-l", "INFO", "-Q", queues, "-n", f"{name}@here"]
        process = celery(["-A", app, *options], {**self.environ, **environ}, log, APPS)
        try:
            until(lambda: " ready." in log.read_text() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def shop(broker: Broker) -> Shop:
    return Shop(broker)


@pytest.fixture
def put(shop: Shop) -> Callable[..., str]:
    """Put a letter of an order there by hand."""

    def add(letter_id: str, reason: Reason = Reason.INVALID_PAYLOAD, **changes: Any) -> str:
        fields = {"queue": "orders", "task": "order", "payload": {"args": ["tea"], "kwargs": {}}, **changes}
        shop.letters.add(DeadLetter(letter_id, reason, **fields))
        return letter_id

    return add


def test_a_failed_task_is_listed_shown_and_replayed_by_a_worker_that_now_can(shop: Shop) -> None:
    with shop.worker():
        letter_id = shop.send("order", "tea")
        until(lambda: shop.letters.get(letter_id))
        listed = shop.read("dead", "--app", "shop:app", "list", "--all")
        assert [(letter["id"], letter["task"]) for letter in listed["letters"]] == [(letter_id, "order")]
        shown = shop.read("dead", "--app", "shop:app", "show", letter_id, "--payload")
        assert shown["payload"]["args"] == ["tea"]
        shop.broker.redis.sadd("stock", "tea")
        done = shop.read("dead", "--app", "shop:app", "replay", letter_id)
        assert done == {"done": [{"letter_id": letter_id, "task_id": letter_id}], "left": {}}
        until(lambda: shop.broker.redis.lrange("ordered", 0, -1) == [b"tea"])
    assert shop.letters.count() == 0


def test_a_replay_goes_back_to_the_queue_that_the_task_came_from(shop: Shop, put: Callable[..., str]) -> None:
    put("1", queue="payments")
    shop.run("dead", "--app", "shop:app", "replay", "1")
    assert {row["queue"]: row["waiting"] for row in shop.read("queues", "--app", "shop:app")["queues"]} == {
        "orders": 0,
        "payments": 1,
    }


READINGS = [["dead", "list"], ["dead", "list", "--all"], ["dead", "show", "1"], ["queues"], ["doctor"]]


@pytest.mark.parametrize("command", READINGS, ids=" ".join)
def test_json_says_null_of_what_there_is_not_and_never_an_empty_text(
    shop: Shop, put: Callable[..., str], command: list[str]
) -> None:
    put("1")
    place = 1 if command[0] == "dead" else len(command)
    code = 1 if command == ["doctor"] else 0  # no worker runs
    told = json.dumps(shop.read(*command[:place], "--app", "shop:app", *command[place:], code=code))
    assert '""' not in told


def test_letters_are_purged_and_those_of_other_apps_stay(shop: Shop, put: Callable[..., str]) -> None:
    put("1")
    other = DeadLetters(shop.broker.redis, Keys("other"))
    other.add(DeadLetter("2", Reason.FAILED, queue="q"))
    shop.run("dead", "--app", "shop:app", "purge", "--all", "--yes")
    assert (shop.letters.count(), other.count()) == (0, 1)


def test_a_unique_beginning_of_an_id_is_enough_and_an_ambiguous_one_is_refused(
    shop: Shop, put: Callable[..., str]
) -> None:
    first, second = put("0192a7c4-1"), put("0192a7c4-2")
    odd = put("user[/alice]\x9b")
    assert {"user[/al", first, second} <= set(shop.run("dead", "--app", "shop:app", "list", "--all").stdout.split())
    assert shop.read("dead", "--app", "shop:app", "show", "user[")["id"] == odd
    said = shop.run("dead", "--app", "shop:app", "purge", "0192", "--yes", code=1).stderr
    assert f"2 dead letters begin with 0192: {second}, {first}." in said
    shop.run("dead", "--app", "shop:app", "purge", "0192a7c4-1", "user[", "--yes")
    assert shop.letters.ids() == [second]


def storm(shop: Shop, count: int) -> None:
    """Letters of one task that failed for one reason."""
    with shop.broker.redis.pipeline(transaction=False) as pipe:
        letters = DeadLetters(pipe, KEYS)
        for number in range(count):
            letter_id = f"0192a7c4-{number:04x}-7b1a-8f2d-6c9e0a1b2c3d"
            letters.add(DeadLetter(letter_id, Reason.ATTEMPTS_EXHAUSTED, "orders", task="order", error="TimeoutError"))
        pipe.execute()


def rows(shown: str) -> list[list[str]]:
    """The cells of a table's rows, each in one piece although it was folded."""
    found: list[list[str]] = []
    for line in shown.splitlines():
        if line.startswith("│"):
            cells = [cell.strip() for cell in line.strip("│").split("│")]
            if cells[0]:
                found.append([""] * len(cells))
            found[-1] = [f"{before}{cell}" for before, cell in zip(found[-1], cells, strict=True)]
    return found


@pytest.mark.parametrize("columns", [80, 100])
def test_a_storm_is_one_row_above_the_few_others_and_fits_a_terminal(
    shop: Shop, put: Callable[..., str], columns: int
) -> None:
    put("refused-1", task="a_task_with.a_long_name.that_has_to_be_folded", error="ValidationError")
    storm(shop, 10_000)
    put("refused-2", task="a_task_with.a_long_name.that_has_to_be_folded", error="ValidationError")
    shop.letters.quarantine(b"junk", "orders")
    said = re.sub(r"\x1b\[[\d;]*m", "", shop.run(*LIST, COLUMNS=str(columns), **TERMINAL).stdout)
    table = [line for line in said.splitlines() if line[0] in "┏┃┡│└"]
    assert {len(line) for line in table} <= set(range(columns + 1))
    assert [(row[0], row[-2].replace(" ", "")) for row in rows(said)] == [
        ("10,000", "orderattempts_exhaustedTimeoutError"),
        ("2", "a_task_with.a_long_name.that_has_to_be_foldedinvalid_payloadValidationError"),
        ("1", "broken_envelope"),
    ]
    assert [row[-1] for row in rows(said)][:2] == ["0192a7c4-270f", "refused-2"]
    assert "10,003 dead letters. To list single letters: mgw dead --app shop:app list --all" in said
    assert len(rows(shop.run(*LIST, "--all", COLUMNS=str(columns), **TERMINAL).stdout)) == 50


def test_what_gave_way_to_a_bound_is_said_until_all_is_purged(shop: Shop, put: Callable[..., str]) -> None:
    put("other")
    storm(shop, 20)
    DeadLetters(shop.broker.redis, KEYS, Bounds(most=18)).trim()
    group = "order attempts_exhausted TimeoutError"
    said = shop.run(*LIST).stderr
    assert f"Dropped because a bound was reached: 3 dead letters of {group}, the last " in said
    lost = ("warning", f"3 of {group} were dropped because a bound was reached")
    assert examined(shop, 1)["dead letters lost"] == lost
    fixes = {one["check"]: one["fix"] for one in shop.read("doctor", "--app", "shop:app", code=1)["findings"]}
    assert fixes["dead letters lost"].startswith("Raise most or most_bytes, or fix")
    shop.run("dead", "--app", "shop:app", "purge", "--all", "--yes")
    assert "Dropped" not in shop.run(*LIST).stderr
    assert "dead letters lost" not in examined(shop, 1)


def test_without_a_letter_the_list_says_so(shop: Shop) -> None:
    for options in ([], ["--all"]):
        assert shop.run(*LIST, *options).stdout == "No dead letters.\n"
    assert shop.read(*LIST)["count"] == 0


@pytest.mark.parametrize(("counted", "says"), [(True, "runs when all parts have succeeded"), (False, "will not run")])
def test_a_letter_of_a_chords_part_says_whether_its_body_can_run(
    shop: Shop, put: Callable[..., str], counted: bool, says: str
) -> None:
    put("part", payload={"args": ["tea"], "kwargs": {}, **PART})
    if counted:
        shop.broker.redis.set("celery-taskset-meta-g.s", 2)
    shown = shop.read("dead", "--app", "shop:app", "show", "part", SHOP_RESULTS=shop.broker.url)
    assert says in shown["chord"]


def test_a_letter_says_when_it_is_due_and_until_when(shop: Shop, put: Callable[..., str]) -> None:
    times = {"eta": "2999-01-01T02:00:00+02:00", "expires": "2999-01-02T00:00:00+00:00"}
    put("later", payload={"args": [], "kwargs": {}, "options": times})
    shown = shop.read("dead", "--app", "shop:app", "show", "later")
    assert (shown["eta"], shown["expires"]) == ("2999-01-01T00:00:00Z", "2999-01-02T00:00:00Z")
    assert shown["chord"] is None


@pytest.mark.parametrize("eta", ["0001-01-01T00:00:00+05:00", "soon", 5])
def test_a_time_that_is_none_is_null_and_hides_no_letter(shop: Shop, put: Callable[..., str], eta: object) -> None:
    put("odd", payload={"args": [], "kwargs": {}, "options": {"eta": eta}})
    assert shop.read("dead", "--app", "shop:app", "show", "odd")["eta"] is None


@pytest.mark.parametrize(("more", "option"), [(PART, "--alone"), (PAST, "--even-if-expired")])
def test_a_replay_that_says_which_option_it_needs_works_with_it(
    shop: Shop, put: Callable[..., str], more: dict[str, Any], option: str
) -> None:
    put("1", payload={"args": ["tea"], "kwargs": {}, **more})
    assert option in shop.read("dead", "--app", "shop:app", "replay", "1", code=1)["left"]["1"]
    assert shop.broker.redis.llen("orders") == 0
    shop.run("dead", "--app", "shop:app", "replay", "1", option)
    assert (shop.letters.count(), shop.broker.redis.llen("orders")) == (0, 1)


def test_without_a_terminal_a_question_says_what_to_pass(shop: Shop, put: Callable[..., str]) -> None:
    put("1")
    said = shop.run("dead", "--app", "shop:app", "replay", "--all", code=2).stderr
    assert "Replay 1 dead letter? Not an interactive terminal: pass --yes to confirm." in said


@pytest.mark.parametrize(
    ("letter", "options", "why"),
    [
        ({"task": "of tomorrow"}, [], "Deploy the release that has it"),
        ({"payload": {"base64": ""}}, [], "only bytes"),
        ({}, ["--corrected", "wrong.json"], "unexpected keyword argument 'itm'"),
        ({"reason": Reason.LOST_WORKER}, ["--corrected", "right.json"], "is not known (lost_worker)"),
    ],
)
def test_what_cannot_be_replayed_stays_with_the_reason(
    shop: Shop, put: Callable[..., str], tmp_path: Path, letter: dict[str, Any], options: list[str], why: str
) -> None:
    (tmp_path / "wrong.json").write_text('{"itm": "tea"}')
    (tmp_path / "right.json").write_text('{"item": "tea"}')
    put("1", **letter)
    paths = [str(tmp_path / option) if option.endswith(".json") else option for option in options]
    left = shop.read("dead", "--app", "shop:app", "replay", "1", *paths, code=1)["left"]
    assert why in left["1"]
    assert shop.letters.count() == 1


def test_corrected_parameters_go_out_under_a_new_id(shop: Shop, put: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "right.json").write_text('{"item": "tea"}')
    put("1")
    done = shop.read("dead", "--app", "shop:app", "replay", "1", "--corrected", str(tmp_path / "right.json"))
    assert done["done"][0]["task_id"] != "1"
    assert (shop.letters.count(), shop.broker.redis.llen("orders")) == (0, 1)


def test_queues_say_what_waits_and_why_a_queue_is_held(shop: Shop) -> None:
    shop.send("order", "tea")
    shop.holds.put("bank", -1, "it is down")
    rows = {row["queue"]: row for row in shop.read("queues", "--app", "shop:app")["queues"]}
    assert (rows["orders"]["waiting"], rows["orders"]["why"]) == (1, None)
    assert (rows["payments"]["held_for"], rows["payments"]["why"]) == ("bank", "it is down")


def test_a_person_asks_for_a_held_services_next_trial(shop: Shop) -> None:
    assert "bank is not held" in shop.run("queues", "--app", "shop:app", "try", "bank").stdout
    shop.holds.put("bank", 0, "it asked to wait")
    shop.holds.ask("bank", 900)
    said = shop.run("queues", "--app", "shop:app", "try", "bank").stdout
    assert "mgw queues --app shop:app" in said
    assert (shop.holds.take_trial("bank"), shop.holds.is_asked("bank")) == (True, False)
    wrong = shop.run("queues", "--app", "shop:app", "try", "bnak", code=2).stderr
    assert "There is no service bnak. Services: bank." in wrong


def examined(shop: Shop, code: int = 0, **environ: str) -> dict[str, tuple[str, str]]:
    found = shop.read("doctor", "--app", "shop:app", code=code, **environ)["findings"]
    return {one["check"]: (one["state"], one["found"]) for one in found}


def test_the_doctor_checks_a_sound_shop_and_nothing_of_our_services(shop: Shop) -> None:
    with shop.worker():
        found = examined(shop)
    assert {check: seen for check, seen in found.items() if seen[0] != "ok"} == {}
    assert {"workers", "queues", "pool", "waiting: payments", "dead letters", "visibility timeout"} <= set(found)
    assert {"redis (state, broker): version", "redis (state, broker): role"} <= set(found)
    assert not [check for check in found if check.startswith(("registry", "vault", "memory-graph", "sweeps", "limit"))]


def test_the_doctor_sees_what_is_wrong_with_a_shop(shop: Shop, put: Callable[..., str]) -> None:
    put("1")
    shop.holds.put("bank", -1, "it is down")
    shop.broker.redis.config_set("maxmemory-policy", "allkeys-lru")
    found = examined(shop, 1)
    assert found["workers"] == ("failure", "0 respond")
    assert found["dead letters"] == ("warning", "1")
    assert found["held: payments"][0] == "warning"
    assert found["redis (state, broker): eviction"] == ("failure", "maxmemory-policy allkeys-lru")


def test_the_doctor_sees_workers_with_another_visibility_timeout_and_a_queue_that_nobody_consumes(shop: Shop) -> None:
    with shop.worker(queues="orders", SHOP_VISIBILITY_SECS="50"):
        found = examined(shop, 1)
    assert found["visibility timeout of the workers"] == ("failure", "shop@here 50 s")
    assert found["queues"] == ("warning", "nobody consumes payments")


def test_the_doctor_sees_a_plain_celery_app_that_takes_the_shops_messages(shop: Shop) -> None:
    with shop.worker(), shop.worker("without_delivery:app", "orders"):
        state, text = examined(shop, 1)["other apps on this database"]
    assert state == "failure"
    assert "without_delivery@here (kombu's own transport, visibility timeout 3600 s)" in text


def test_the_doctor_lets_an_app_with_other_queues_be(shop: Shop) -> None:
    with shop.worker(), shop.worker("without_delivery:app", "plain"):
        assert examined(shop)["other apps on this database"][0] == "ok"


@pytest.mark.parametrize(
    "command", [["dead", "--app", "{}", "list"], ["queues", "--app", "{}"], ["doctor", "--app", "{}"]]
)
@pytest.mark.parametrize(
    ("app", "why"),
    [
        ("no_such_module:app", "There is no module no_such_module here. Run mgw in the directory that holds it"),
        ("shop:no_such_app", "There is no Celery app shop:no_such_app"),
        ("without_delivery:number", "is not a Celery app but a int"),
        ("without_delivery:app", "has no delivery installed. Call install(app, url)"),
        ("without_settings:app", "Cannot import without_settings:app (KeyError: 'NOT_THERE')"),
    ],
)
def test_an_app_that_cannot_be_used_is_refused_in_one_line(command: list[str], app: str, why: str) -> None:
    words = [word.format(app) for word in command]
    done = mgw(*words, environ={**os.environ, "SHOP_URL": "redis://127.0.0.1:1/0"}, cwd=APPS)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert why in done.stderr


def test_an_option_for_our_own_usage_is_refused(shop: Shop) -> None:
    assert "Leave it out" in shop.run("dead", "--app", "shop:app", "replay", "1", "--even-if-done", code=2).stderr
