"""A progress line for slow work."""

import sys
from collections.abc import Iterable

from tqdm import tqdm

# Seconds after which work is slow.
_DELAY = 3


def progress_bar(
    what: str,
    unit: str,
    items: Iterable | None = None,
    total: int | None = None,
) -> tqdm:
    """Return a progress line on standard error, shown if work is slow.

    A terminal sees it move; a file gets a line every 20 seconds.

    Args:
        what: What is being done.
        unit: What is counted.
        items: What to iterate over; without them call `update`.
        total: How many there are, if they have no length of their own; the
            line then has the time that is left, too.
    """
    return tqdm(
        items,
        desc=what,
        unit=f" {unit}",
        total=total,
        delay=_DELAY,
        mininterval=1 if sys.stderr.isatty() else 20,
    )
