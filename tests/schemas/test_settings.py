"""Groups of settings: by hand, from the environment, and what is said of mistakes."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from marshmallow import fields, validate
from memory_graph_workers.schemas.settings import Settings, read_all, setting


@dataclass(frozen=True)
class Wheel(Settings):
    spokes: int = setting("WHEEL_SPOKES", fields.Integer(validate=validate.Range(1)), 32, "How many spokes.")
    shiny: bool = setting("WHEEL_SHINY", fields.Boolean(), False, "Whether it shines.")
    lock: str | None = setting("WHEEL_LOCK", fields.String(), None, "Its number.", secret=True)

    def mistakes(self):  # type: ignore[no-untyped-def]
        if self.shiny and self.spokes > 40:
            yield "shiny (WHEEL_SHINY): too many spokes to polish."


@dataclass(frozen=True)
class Bell(Settings):
    tone: float = setting("BELL_TONE", fields.Float(), 440.0, "In hertz.")
    spokes: int = setting("WHEEL_SPOKES", fields.Integer(validate=validate.Range(1)), 32, "How many spokes.")


def test_defaults_hold_where_nothing_is_set() -> None:
    assert Wheel.from_env({}) == Wheel() == Wheel(32, False, None)


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_an_empty_variable_is_absent(text: str) -> None:
    assert Wheel.from_env({"WHEEL_SPOKES": text, "WHEEL_LOCK": text}) == Wheel()


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_switches_are_read_from_text(text: str, value: bool) -> None:
    assert Wheel.from_env({"WHEEL_SHINY": text}).shiny is value


def test_values_by_hand_become_their_types() -> None:
    assert Wheel("28", "yes") == Wheel(28, True)  # type: ignore[arg-type]


def test_all_mistakes_come_at_once_with_attribute_and_variable() -> None:
    with pytest.raises(ValueError, match="These settings are wrong") as caught:
        Wheel.from_env({"WHEEL_SPOKES": "none", "WHEEL_SHINY": "perhaps"})
    assert "spokes (WHEEL_SPOKES): Not a valid integer." in str(caught.value)
    assert "shiny (WHEEL_SHINY): Not a valid boolean." in str(caught.value)


def test_a_mistake_that_groups_share_is_told_once() -> None:
    with pytest.raises(ValueError, match="BELL_TONE") as caught:
        read_all({"WHEEL_SPOKES": "0", "BELL_TONE": "x"}, Wheel, Bell)
    assert str(caught.value).count("WHEEL_SPOKES") == 1


def test_mistakes_between_fields_are_told() -> None:
    with pytest.raises(ValueError, match="polish"):
        Wheel(41, True)


def test_a_secret_is_not_shown() -> None:
    assert "4711" not in repr(Wheel(lock="4711"))
    assert Wheel(lock="4711").lock == "4711"


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711\n")
    assert Wheel.from_env({"WHEEL_LOCK_FILE": str(tmp_path / "lock"), "WHEEL_LOCK": ""}).lock == "4711"


def test_what_is_no_secret_is_not_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "spokes").write_text("28")
    assert Wheel.from_env({"WHEEL_SPOKES_FILE": str(tmp_path / "spokes")}).spokes == 32


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "that cannot be read (No such file or directory)"),
        (b" \n", "that is empty"),
        (b"secret\xff", "that is not text"),
    ],
)
def test_a_file_that_holds_no_secret_is_a_mistake_among_the_others(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "lock"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="WHEEL_SPOKES") as caught:
        Wheel.from_env({"WHEEL_SPOKES": "none", "WHEEL_LOCK_FILE": str(path)})
    assert f"lock (WHEEL_LOCK): WHEEL_LOCK_FILE names a file {said}" in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_secret_given_twice_is_refused_and_shown_in_no_form(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("lock-4711")
    with pytest.raises(ValueError, match="WHEEL_LOCK_FILE is set too") as caught:
        Wheel.from_env({"WHEEL_LOCK": "lock-0815", "WHEEL_LOCK_FILE": str(tmp_path / "lock")})
    assert "lock-" not in str(caught.value)


def test_the_table_lists_every_setting() -> None:
    rows = [(attribute, described.name, default) for attribute, described, default in Wheel.table()]
    assert rows == [("spokes", "WHEEL_SPOKES", 32), ("shiny", "WHEEL_SHINY", False), ("lock", "WHEEL_LOCK", None)]
