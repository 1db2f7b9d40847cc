"""Work that is done in threads before its result is asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

_THREADS, _WAITING = 2, 3


def worked_ahead(work: Callable, items: Iterable) -> Iterator[tuple]:
    """Yield (item, work(item)) in order; a few items are worked ahead.

    What iterating over the items raises is raised as it is.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > _WAITING:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
