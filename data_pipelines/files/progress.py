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
        total: how many there are, if it is known; the line then says the rate
            and the time that is left, too.
    """

    def __init__(self, what: str, unit: str, total: int | None = None) -> None:
        self.what = what
        self.unit = unit
        self.total = total
        self.started = time.monotonic()
        self.next = self.started + _PATIENCE
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
        line = f"{start}{self.what}: {self._said(count)}"
        print(line, end=end, file=sys.stderr, flush=True)

    def _said(self, count: int) -> str:
        if self.total is None:
            return f"{count:,} {self.unit}"
        rate = count / max(time.monotonic() - self.started, 1e-9)
        left = (self.total - count) / max(rate, 1e-9)
        # As wide as any line before it, which it is written over.
        said = (
            f"{count:,} of {self.total:,} {self.unit}, {rate:,.1f} a second, "
            f"{_time(left)} left"
        )
        return f"{said:70}" if self.terminal else said


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
