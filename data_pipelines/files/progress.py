"""A progress line for slow work."""

import sys
import time
from collections.abc import Iterable

from tqdm import tqdm

# Seconds after which work is slow, and between the lines that a file gets.
_DELAY = 3
INTERVAL = 20


class _Progress(tqdm):
    """A line that moves on a terminal; in a file, lines one below another.

    Attributes:
        shown: When one of them was last written.
    """

    shown = -float("inf")

    @staticmethod
    def status_printer(file):
        on_terminal = tqdm.status_printer(file) if file.isatty() else None
        begun = False

        def write(line):
            nonlocal begun
            _Progress.shown = time.monotonic()
            if on_terminal:
                on_terminal(line)
            else:  # `close` ends the last one
                file.write("\n" * begun + line)
                file.flush()
            begun = True

        return write


def last_shown() -> float:
    """Return when a progress line was last written, by `time.monotonic`."""
    return _Progress.shown


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
    return _Progress(
        items,
        desc=what,
        unit=f" {unit}",
        total=total,
        delay=_DELAY,
        mininterval=1 if sys.stderr.isatty() else INTERVAL,
    )
