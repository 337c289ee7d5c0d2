"""The limit of archiving: threads in processes, batches for the vault, no queue.

`python -m limit_archiving PROCESSES MANY`.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

from steps import archive_batch

THREADS, BATCH = 8, 25


def work(first: int, last: int) -> None:
    """Archive a range of sessions."""
    batches = [range(start, min(start + BATCH, last)) for start in range(first, last, BATCH)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda batch: archive_batch([f"session-{number:08}" for number in batch]), batches))


if __name__ == "__main__":
    processes, many = int(sys.argv[1]), int(sys.argv[2])
    share = many // processes
    context = get_context("spawn")
    started = [context.Process(target=work, args=(one * share, (one + 1) * share)) for one in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
