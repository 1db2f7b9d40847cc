"""How far something is that takes long."""

import sys
import time

# Seconds after which something takes long.
_PATIENCE = 3.0


class Progress:
    """A line on standard error, for what takes long.

    A terminal shows how far it is; a file gets the last line only.

    Args:
        what: what is being done.
        unit: what is counted.
    """

    def __init__(self, what: str, unit: str) -> None:
        self.what = what
        self.unit = unit
        self.next = time.monotonic() + _PATIENCE
        self.terminal = sys.stderr.isatty()
        self.late = False

    def show(self, count: int) -> None:
        """Says how far it is, now and then."""
        if time.monotonic() >= self.next:
            self.next = time.monotonic() + 1.0
            self.late = True
            if self.terminal:
                self._print(count, "")

    def done(self, count: int) -> None:
        """Says how much it was, if it took long."""
        if self.late:
            self._print(count, "\n")

    def _print(self, count: int, end: str) -> None:
        start = "\r" if self.terminal else ""
        line = f"{start}{self.what}: {count:,} {self.unit}"
        print(line, end=end, file=sys.stderr, flush=True)
