"""What is printed: texts of the user's cannot command the terminal.

And nothing is silent for long: `busy` names what is being done, and in
`watched` a line on standard error says so after ten seconds in which nothing
was printed, and then every twenty.
"""

import contextlib
import sys
import threading
import time
import typing
from collections.abc import Iterator

from data_pipelines.files import progress
from data_pipelines.files.errors import printable

# Seconds of silence before the first line, and between the following ones.
FIRST, NEXT = 10, 20


class _Work:
    """What is being done."""

    what = detail = ""
    since = said = 0.0  # times
    pause = 0.0


def busy(what: str, detail: str = "") -> None:
    """Say what is being done from now on, until `busy("")`.

    Args:
        what: Such as "epoch 2 of 9".
        detail: How far that is.
    """
    if what != _Work.what:
        _Work.what, _Work.pause = what, FIRST
        _Work.since = _Work.said = time.monotonic()
    _Work.detail = detail


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Print what is being done when nothing else was printed for long."""
    ended = threading.Event()

    def watch():
        while not ended.wait(FIRST / 10):
            now = time.monotonic()
            # A progress line says more, as long as it moves.
            moves = now < progress.last_shown() + 1.5 * progress.INTERVAL
            if _Work.what and now >= _Work.said + _Work.pause and not moves:
                parts = (_Work.what, _Work.detail, f"{now - _Work.since:.0f} s")
                echo(*filter(None, parts), sep=", ", file=sys.stderr)
                _Work.pause = NEXT

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        busy("")


def echo(
    *texts: object,
    sep: str = " ",
    end: str = "\n",
    file: typing.TextIO | None = None,
    flush: bool = True,
):
    """Print as `print` does, with control characters written out.

    It is there at once, in a file too.
    """
    _Work.said = time.monotonic()
    line = printable(sep.join(map(str, texts)), but="\n\t")
    print(line, end=end, file=file or sys.stdout, flush=flush)
