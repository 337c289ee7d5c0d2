"""The checks of the doctor run beside each other."""

from typing import Any

from memory_graph_workers.cli.doctor.checks import checks_of


class Watched:
    """A target that notes when its queues are looked up."""

    looked_up = False

    @property
    def queues(self) -> list[str]:
        self.looked_up = True
        return []


def test_queues_are_looked_up_before_the_first_check() -> None:
    """Looking them up adds to the app's queues: a thread that goes through those would fail."""
    target: Any = Watched()
    checks_of(target)
    assert target.looked_up
