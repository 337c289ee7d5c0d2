"""A unique beginning of an id is enough, and a table shows one."""

import pytest
from memory_graph_workers.cli.dead.ids import begins, shortened, whole_id
from memory_graph_workers.cli.terminal.failure import Failure

IDS = [
    "0192a7c4-5e3f-7b1a-0001",
    "0192a7c4-5e3f-7b1a-0002",
    "f3a1c2d4e5f6a7b8",
    "order[/7]",
    "user\u202ex",
    "ab",
    "abc",
]


class Letters:
    def ids(self) -> list[str]:
        return IDS

    def has(self, letter_id: str) -> bool:
        return letter_id in IDS


def whole(given: str) -> str:
    return whole_id(Letters(), given, "mgw dead list")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("f3", "f3a1c2d4e5f6a7b8"),
        ("0192a7c4-5e3f-7b1a-0002", "0192a7c4-5e3f-7b1a-0002"),
        ("order[", "order[/7]"),
        ("user\\u202e", "user\u202ex"),
        ("ab", "ab"),  # an id of its own, although another one begins with it
    ],
)
def test_a_unique_beginning_or_the_whole_id_is_found(given: str, found: str) -> None:
    assert whole(given) == found


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("0192", "2 dead letters begin with 0192: 0192a7c4-5e3f-7b1a-0001, 0192a7c4-5e3f-7b1a-0002. Type more"),
        ("a", "2 dead letters begin with a: ab, abc. Type more"),
        ("zz", "There is no dead letter zz. To list them: mgw dead list"),
        ("", "There is no dead letter"),
    ],
)
def test_none_or_several_is_said(given: str, why: str) -> None:
    with pytest.raises(Failure) as failure:
        whole(given)
    assert why in failure.value.format_message()


def test_what_a_table_shows_finds_the_same_letter() -> None:
    short = shortened(IDS, IDS)
    assert short == [
        "0192a7c4-5e3f-7b1a-0001",
        "0192a7c4-5e3f-7b1a-0002",
        "f3a1c2d4",
        "order[/7]",
        "user\u202ex",
        "ab",
        "abc",
    ]
    assert [whole(name) for name in short] == IDS


def test_an_empty_text_begins_nothing() -> None:
    assert not begins("abc", "")
