"""Work that is done in threads before its result is asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


def worked_ahead(
    work: Callable, items: Iterable, workers: int = 2, ahead: int = 3
) -> Iterator[tuple]:
    """Yield (item, work(item)) in order; some items are worked ahead.

    What iterating over the items raises is raised as it is.

    Args:
        work: Takes an item; is called by threads.
        items: What to work on.
        workers: Threads.
        ahead: How many items are worked on before they are asked for.
    """
    pool = ThreadPoolExecutor(workers)
    waiting: deque = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
