"""New ids: never twice, others in a forked child, and in the order of time where that is wanted."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest
from memory_graph_workers.schemas.ids import random_id, time_ordered_id
from support.waiting import LONGEST_SECS


@pytest.mark.parametrize(("new_id", "version"), [(random_id, 4), (time_ordered_id, 7)])
def test_each_is_a_new_uuid(new_id: Callable[[], str], version: int) -> None:
    def drawn(many: int) -> list[str]:
        return [new_id() for _ in range(many)]

    with ThreadPoolExecutor(8) as threads:
        ids = [one for part in threads.map(drawn, [999] * 16) for one in part]
    assert len(set(ids)) == 16 * 999
    assert {(UUID(one).version, UUID(one).variant, str(UUID(one)) == one) for one in ids} == {(version, RFC_4122, True)}


def test_ids_of_later_milliseconds_sort_later_and_tell_their_time() -> None:
    began, ids = time.time(), list[str]()
    for _ in range(20):
        ids.append(time_ordered_id())
        time.sleep(0.002)
    assert sorted(ids) == ids
    told = [(UUID(one).int >> 80) / 1000 for one in ids]
    assert began - 0.001 <= told[0] <= told[-1] <= time.time()


def test_a_forked_child_gives_out_none_of_its_parents() -> None:
    # In an interpreter of its own: what other tests have open here is not what the child is about.
    code = """
import multiprocessing
from memory_graph_workers.schemas.ids import random_id
def drawn(many):
    return [random_id() for _ in range(many)]
random_id()  # its parent has some left
with multiprocessing.get_context("fork").Pool(2) as children:
    theirs = children.map(drawn, [150, 150], chunksize=1)
print(len({*drawn(150), *theirs[0], *theirs[1]}))
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONGEST_SECS, check=True
    )
    assert told.stdout == "450\n"
