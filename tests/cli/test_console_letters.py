"""The console's pages about dead letters: filters, one letter, its payload, and what is done with many of them."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from memory_graph_workers.delivery import Bounds, DeadLetter, DeadLetters, Reason
from support.broker import Broker
from support.console import USER, Answer, Visitor, console
from support.console import flower as flower
from support.our_app import KEYS
from support.servers import PREFIX
from support.shared_broker import broker as broker
from support.shared_broker import running as running
from support.waiting import SOON_SECS, until

GET, ARCHIVE = "memory_graph.registry.get_session", "memory_graph.vault.archive_session"
QUEUE = "memory_graph.registry"
SECRET = "what-was-said-7Qk"
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"
MANY, SLICE = 100_000, 5_000
ADD_MANY = """
for number = tonumber(ARGV[1]), tonumber(ARGV[3]) do
    local id, at = 'letter-' .. number, 1700000000 + number
    local text = '{"id":"' .. id .. '","reason":"failed","queue":"q","task":"t","failed_at":"","payload":null}'
    redis.call('HSET', KEYS[1], id, text)
    redis.call('ZADD', KEYS[2], at, id)
    redis.call('ZADD', KEYS[3], at, id)
    redis.call('HSET', KEYS[4], id, ARGV[2])
    redis.call('ZADD', KEYS[5], at, id)
    redis.call('INCRBY', KEYS[6], #text)
    redis.call('ZINCRBY', KEYS[7], 1, ARGV[2])
    redis.call('ZINCRBY', KEYS[8], #text, ARGV[2])
end
"""


@pytest.fixture
def letters(broker: Broker) -> DeadLetters:
    return DeadLetters(broker.redis, KEYS, Bounds())


def letter(letter_id: str, task: str = GET, **changes: Any) -> DeadLetter:
    payload = {"args": [], "kwargs": {"session_id": SECRET}}
    return DeadLetter(
        letter_id, **{"reason": Reason.FAILED, "queue": QUEUE, "task": task, "payload": payload} | changes
    )


def previewed(visitor: Visitor, letter_id: str = "", **fields: str) -> tuple[str, Answer]:
    """The address of a selection, and its page when the letters are found."""
    visitor.get("/dead-letters")
    answer = visitor.post(f"/dead-letters/select{f'/{letter_id}' if letter_id else ''}", **fields)
    assert answer.status == 303, answer.text
    path = answer.headers["Location"]
    until(lambda: "Looking for the letters" not in visitor.get(path).text)
    return path, visitor.get(path)


def confirmed(visitor: Visitor, path: str) -> Answer:
    """The page of a selection when it was worked through."""
    visitor.did(path, action="confirm")
    until(lambda: "Ended:" in visitor.get(path).text, lambda: visitor.get(path).text)
    return visitor.get(path)


def test_groups_and_letters_are_shown_without_a_payload(flower: Visitor, letters: DeadLetters) -> None:
    letters.add(letter("one", error="Refused", message="no such session"))
    letters.add(letter("two", error="Refused"))
    letters.add(letter("three", ARCHIVE, reason=Reason.ATTEMPTS_EXHAUSTED))
    answer = flower.get("/dead-letters")
    assert "3 dead letters in all." in answer.text
    assert re.search(rf"{GET} failed Refused 2 \d+ s \d+ s the newest", answer.text.replace(" ago", ""))
    assert re.search(rf"one \d+ s ago {GET} failed Refused no such session", answer.text)
    assert SECRET not in answer.html
    single = flower.get("/dead-letters/letter/one")
    assert "message no such session" in single.text
    assert SECRET not in single.html


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("task=memory_graph.vault.*", {"three"}),
        ("reason=failed", {"one", "two"}),
        ("error=Ref*", {"two"}),
        ("newer_than=1h", {"one", "two", "three"}),
        ("older_than=1h", set[str]()),
        ("task=*.get_session&error=Refused", {"two"}),
    ],
)
def test_a_filter_shows_what_fits(flower: Visitor, letters: DeadLetters, query: str, found: set[str]) -> None:
    for one in (letter("one"), letter("two", error="Refused"), letter("three", ARCHIVE, reason=Reason.EXPIRED)):
        letters.add(one)
    html = flower.get(f"/dead-letters?{query}").html
    assert {one for one in ("one", "two", "three") if f'href="/dead-letters/letter/{one}">{one}' in html} == found


def test_a_group_leads_to_a_filter_that_chooses_it_alone(flower: Visitor, letters: DeadLetters) -> None:
    letters.add(letter("one", "odd[1]*"))
    letters.add(letter("two", "odd1x"))
    href = re.search(r'href="([^"]+)">odd\[1\]\*', flower.get("/dead-letters").html)
    assert href
    html = flower.get(unescape(href[1])).html
    assert [one for one in ("one", "two") if f'href="/dead-letters/letter/{one}">{one}' in html] == ["one"]


@pytest.mark.parametrize("query", ["older_than=yesterday", "reason=none", "newer_than=7"])
def test_a_filter_that_is_none_is_refused_with_how_to_write_it(flower: Visitor, broker: Broker, query: str) -> None:
    answer = flower.get(f"/dead-letters?{query}")
    assert answer.status == 400
    assert "Write it like 30m" in answer.text or "Reasons: failed" in answer.text
    assert "Purge" not in answer.text


def test_what_senders_wrote_is_shown_as_text(flower: Visitor, letters: DeadLetters) -> None:
    odd = f"a/b?c#d {HOSTILE}"
    letters.add(letter(odd, HOSTILE, reason=Reason.UNKNOWN_TASK, error=HOSTILE, message=HOSTILE))
    listed = flower.get("/dead-letters")
    href = re.search(r'href="(/dead-letters/letter/[^"]+)"', listed.html)
    assert href
    single = flower.get(href[1])
    assert single.status == 200
    for answer in (listed, single):
        assert r"<script>alert(1)</script>\x1b[31m\u202e" in answer.text
        assert "<script>alert" not in answer.html
        assert "\x1b" not in answer.html
    action = re.search(r'action="(/dead-letters/select/[^"]+)"', single.html)
    assert action
    path, _ = previewed(flower, action[1].removeprefix("/dead-letters/select/"), action="purge")
    confirmed(flower, path)
    assert letters.count() == 0


def test_a_letter_that_is_gone_is_not_found(flower: Visitor, broker: Broker) -> None:
    assert flower.get("/dead-letters/letter/none").status == 404
    assert flower.get("/dead-letters/bulk/none").status == 404


def test_a_payload_is_not_shown_unless_the_setting_allows_it(flower: Visitor, letters: DeadLetters) -> None:
    letters.add(letter("one"))
    told = len(flower.actions())
    assert "Show the payload" not in flower.get("/dead-letters/letter/one").text
    answer = flower.post("/dead-letters/payload/one")
    assert answer.status == 403
    assert "FLOWER_SHOW_PAYLOADS" in answer.text
    assert SECRET not in answer.html
    assert [line["outcome"] for line in flower.actions()[told:]] == ["refused"]


def test_where_it_is_allowed_a_payload_is_shown_after_a_step_that_the_log_names(
    broker: Broker, letters: DeadLetters, tmp_path: Path
) -> None:
    letters.add(letter("one"))
    letters.add(letter("large", payload={"args": ["x" * 200_000], "kwargs": {}}))
    with console(broker.url, tmp_path, FLOWER_SHOW_PAYLOADS="true") as visitor:
        assert SECRET not in visitor.get("/dead-letters/letter/one").html
        assert visitor.post("/dead-letters/payload/one", "wrong").status == 403
        answer = visitor.post("/dead-letters/payload/one")
        assert SECRET in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        large = visitor.post("/dead-letters/payload/large")
        assert len(large.html) < 100_000
        assert "This is the beginning." in large.text
        lines = visitor.actions()
        assert [(line["user"], line["action"], line["on"]) for line in lines] == [
            (USER, "show payload", "one"),
            (USER, "show payload", "large"),
        ]
        assert SECRET not in visitor.log()


def test_purging_deletes_what_was_shown_and_nothing_else(flower: Visitor, letters: DeadLetters) -> None:
    for number in range(5):
        letters.add(letter(f"get-{number}"))
    letters.add(letter("kept", ARCHIVE))
    told = len(flower.actions())
    path, preview = previewed(flower, action="purge", task=GET)
    assert "5 dead letters selected. Nothing was changed." in preview.text
    assert f"{GET} failed 5" in preview.text
    assert letters.count() == 6
    letters.add(letter("later"))  # fits the filter, and was not shown
    letters.add(letter("get-0"))  # failed again since
    answer = confirmed(flower, path)
    assert "Ended: 4 done, 1 left, of 5 dead letters." in answer.text
    assert "get-0 It is gone, or its task has failed again" in answer.text
    assert sorted(letters.ids()) == ["get-0", "kept", "later"]
    lines = [(line["user"], line["action"], line["on"], line["outcome"]) for line in flower.actions()[told:]]
    assert lines == [
        (USER, "purge", f"5 dead letters: task {GET}", "started"),
        (USER, "purge", f"5 dead letters: task {GET}", "4 done, 1 left of 5."),
    ]


def test_replaying_sends_each_task_again_under_its_own_id(
    flower: Visitor, letters: DeadLetters, broker: Broker
) -> None:
    ids = {f"1a2b3c4d-0000-4000-8000-00000000000{number}" for number in range(3)}
    for one in ids:
        letters.add(letter(one, payload={"args": [], "kwargs": {"session_id": "s-1"}}))
    letters.add(letter("junk", "", reason=Reason.UNKNOWN_TASK))
    path, _ = previewed(flower, action="replay")
    answer = confirmed(flower, path)
    assert "Ended: 3 done, 1 left, of 4 dead letters." in answer.text
    waiting: Any = broker.redis.lrange(f"{PREFIX}{QUEUE}", 0, -1)
    assert {one for one in ids for item in waiting if one.encode() in item} == ids
    assert len(waiting) == 3


def test_a_part_of_a_chord_is_left_because_flower_knows_no_results(flower: Visitor, letters: DeadLetters) -> None:
    payload = {"args": [], "kwargs": {}, "embed": {"chord": {"task": "x"}}, "options": {"group": "g", "group_index": 0}}
    letters.add(letter("part", payload=payload))
    path, _ = previewed(flower, action="replay")
    assert "Replay it with mgw dead replay" in confirmed(flower, path).text
    assert letters.has("part")
    assert "a part of one: replay it with mgw dead replay" in flower.get("/dead-letters/letter/part").text


def test_one_letter_is_purged_by_the_same_two_steps(flower: Visitor, letters: DeadLetters) -> None:
    letters.add(letter("one"))
    letters.add(letter("one-more"))
    flower.get("/dead-letters/letter/one")
    path, preview = previewed(flower, "one", action="purge")
    assert "1 dead letter selected." in preview.text
    confirmed(flower, path)
    assert letters.ids() == ["one-more"]


def test_a_selection_is_worked_through_once_and_not_without_a_token(flower: Visitor, letters: DeadLetters) -> None:
    letters.add(letter("one"))
    path, _ = previewed(flower, action="purge")
    assert flower.post(path, "wrong", action="confirm").status == 403
    assert letters.has("one")
    confirmed(flower, path)
    letters.add(letter("one"))
    assert "1 done" in flower.did(path, action="confirm").text
    assert letters.has("one")


def test_nothing_fits_and_nothing_is_offered(flower: Visitor, broker: Broker) -> None:
    _, preview = previewed(flower, action="purge", task="nobody's")
    assert "0 dead letters selected." in preview.text
    assert 'value="confirm"' not in preview.html


@pytest.mark.parametrize("fields", [{"action": "burn"}, {"action": "purge", "older_than": "x"}, {}])
def test_a_form_that_nobody_could_fill_in_is_refused(flower: Visitor, broker: Broker, fields: dict[str, str]) -> None:
    flower.get("/dead-letters")
    assert flower.post("/dead-letters/select", **fields).status == 400


def test_old_selections_make_room_for_new_ones(flower: Visitor, letters: DeadLetters) -> None:
    letters.add(letter("one"))
    paths = [previewed(flower, action="purge")[0] for _ in range(5)]
    assert [flower.get(path).status for path in paths] == [404, 200, 200, 200, 200]


def add_many(broker: Broker) -> None:
    """Add as many letters as may be kept, of one group."""
    keys, name = KEYS.failures, '["t", "failed", null]'
    names = [
        *(keys.letters, keys.by_time, keys.first_seen, keys.group_of, keys.group(name)),
        *(keys.size_bytes, keys.groups_by_count, keys.groups_by_bytes),
    ]
    for first in range(1, MANY, SLICE):  # a step of moments: the client waits for its response only so long
        broker.redis.eval(ADD_MANY, len(names), *names, first, name, first + SLICE - 1)


def test_a_hundred_thousand_letters_are_listed_selected_and_purged_while_pages_stay_quick(
    flower: Visitor, letters: DeadLetters, broker: Broker
) -> None:
    add_many(broker)
    assert letters.count() == MANY
    answers: list[Answer] = []  # on a busy machine Redis may need longer than a page waits for it
    until(lambda: answers.append(flower.get("/dead-letters?task=t")) or answers[-1].status == 200)
    answer = answers[-1]
    assert max(one.secs for one in answers) < SOON_SECS
    assert len(answer.html) < 200_000
    path, preview = previewed(flower, action="purge", task="t")
    assert "100,000 dead letters selected." in preview.text
    flower.did(path, action="confirm")
    until(lambda: letters.count() < MANY)
    assert flower.get("/queues").secs < SOON_SECS
    progress = flower.get(path)
    assert progress.secs < SOON_SECS
    if "Ended" not in progress.text:
        assert progress.headers["Refresh"]
        flower.did(path, action="stop")
    until(lambda: "Ended:" in flower.get(path).text)
    done = re.search(r"Ended: ([\d,]+) done, 0 left", flower.get(path).text)
    assert done
    assert letters.count() == MANY - int(done[1].replace(",", ""))


def kept_at(broker: Broker) -> DeadLetters:
    return DeadLetters(broker.redis, KEYS, Bounds())


def test_when_redis_goes_away_meanwhile_the_rest_is_left_and_the_page_and_the_log_say_so(tmp_path: Path) -> None:
    own = Broker(tmp_path)
    add_many(own)
    with console(own.url, tmp_path) as visitor:
        path, _ = previewed(visitor, action="purge", task="t")
        visitor.did(path, action="confirm")
        until(lambda: kept_at(own).count() < MANY)
        own.stop()
        until(lambda: "Ended:" in visitor.get(path).text)
        assert "Redis does not serve this" in visitor.get(path).text
        until(lambda: "Redis does not serve this" in visitor.actions()[-1]["outcome"])  # written after the page says so
        own.start()
    assert 0 < kept_at(own).count() < MANY
    own.redis.close()
    own.stop()
