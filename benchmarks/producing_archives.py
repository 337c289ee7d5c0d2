"""Starts the archiving of MANY sessions: `python benchmarks/producing_archives.py sweep|plain|limit MANY`.

It prints `ready` when all is loaded, begins at a line on standard input, and prints `ready` again. The limit is no
queue: two processes do the work themselves, with the batch calls that the sweep makes.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

from payloads import due_session_id
from producing import wait_for_turn

PROCESSES, THREADS, BATCH = 2, 8, 25


def sweep(many: int) -> Callable[[], object]:
    """One sweep, which finds the sessions by itself."""
    from memory_graph_workers.tasks.archival.tasks import sweep

    return sweep.delay


def plain(many: int) -> Callable[[], object]:
    """A task a session."""
    from peers.plain import archive_session

    return lambda: [archive_session.delay(due_session_id(number)) for number in range(many)]


def limit(many: int) -> Callable[[], object]:
    """Processes that are there already."""
    pool = ProcessPoolExecutor(PROCESSES, get_context("spawn"), initializer=work, initargs=([],))
    list(pool.map(work, [[]] * PROCESSES))
    batches = [range(start, min(start + BATCH, many)) for start in range(0, many, BATCH)]
    return lambda: list(pool.map(work, [batches[one::PROCESSES] for one in range(PROCESSES)]))


def work(batches: list[range]) -> None:
    """Archive some batches in threads."""
    from steps import archive_together

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda batch: archive_together(list(map(due_session_id, batch))), batches))


KINDS: dict[str, Callable[[int], Callable[[], object]]] = {"sweep": sweep, "plain": plain, "limit": limit}

if __name__ == "__main__":
    begin = KINDS[sys.argv[1]](int(sys.argv[2]))
    wait_for_turn()
    begin()
    wait_for_turn()
