"""Random ids: version 4, never twice, and others in a forked child."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from memory_graph_workers.schemas.ids import random_id
from support.waiting import LONGEST_SECS


def drawn(many: int) -> list[str]:
    return [random_id() for _ in range(many)]


def test_each_is_a_new_random_uuid() -> None:
    with ThreadPoolExecutor(8) as threads:
        ids = [one for part in threads.map(drawn, [999] * 16) for one in part]
    assert len(set(ids)) == 16 * 999
    assert {UUID(one).version for one in ids} == {4}


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
