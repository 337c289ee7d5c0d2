"""When the failures of a service are an outage."""

import pytest
from memory_graph_workers.clients.breaker.rule import Calls, Window, opens, succeeded_per_sec

NOTHING: Calls = (0, 0)


@pytest.mark.parametrize("in_a_row", [0, 4])
def test_fewer_than_five_in_a_row_never_open_it(in_a_row: int) -> None:
    assert not opens(in_a_row, [(0, 1000)])


@pytest.mark.parametrize(
    ("latest", "expected"),
    [
        ([], True),
        ([(14, 5)], True),  # of fewer than 20 calls the row alone decides
        ([(15, 5)], False),
        ([(11, 10)], False),
        ([(10, 10)], True),
        ([(0, 5), (10, 5)], True),
        ([(0, 5), (11, 5)], False),  # the second before counts, however many calls this one has
        ([(0, 30), (31, 0)], False),
        ([(0, 30), (30, 0), (5000, 0)], True),  # a busy service is judged by its last two seconds
        ([(0, 10), NOTHING, (9, 0), (1, 0), (5000, 0)], True),  # no further back than makes 20 calls
        ([(0, 5), NOTHING, (1, 0), NOTHING, (14, 0)], False),
        ([(0, 5), *[NOTHING] * 8, (15, 0)], False),
        ([(0, 5), *[NOTHING] * 9, (15, 0)], True),  # more than ten seconds ago
    ],
)
def test_five_in_a_row_open_it_if_half_of_the_latest_calls_failed(latest: list[Calls], expected: bool) -> None:
    assert opens(5, latest) is expected


def test_a_window_keeps_the_calls_of_ten_seconds() -> None:
    window = Window()
    for second in range(100, 115):
        window.count(second, 2, 1)
        window.count(second, 1, 0)
    assert window.latest(114) == [(3, 1)] * 10
    assert window.latest(120) == [NOTHING] * 6 + [(3, 1)] * 4
    assert window.latest(200) == [NOTHING] * 10
    window.clear()
    assert window.latest(114) == [NOTHING] * 10


def test_the_rate_is_of_whole_seconds() -> None:
    assert succeeded_per_sec([(7, 0), *[(30, 5)] * 9]) == 30
