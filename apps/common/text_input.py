"""Text that people give to a command, and checks of the files they name."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from apps.common.cli import UserError
from data_pipelines.files.names import refuse_special

# How lines of the user's are opened: nothing but "\n" ends one, as in the data,
# and bytes that are not UTF-8 are replaced.
LINES = {"encoding": "utf-8", "errors": "replace", "newline": "\n"}


def repaired(word: str) -> str:
    """Return a word of the command line, marks in place of invalid UTF-8."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_lines(
    texts: Sequence[str], path: str, noun: str, keep_empty: bool = True
) -> Iterator[str]:
    """Yield the texts of the command line, of a file or of standard input.

    Args:
        texts: Those of the command line, which go before the others.
        path: A file with one a line; "" for standard input.
        noun: What one of them is called in errors.
        keep_empty: Whether to yield empty lines, too.

    Raises:
        UserError: Both were named, the file cannot be read, or there is no
            line at all.
    """
    if texts and path:
        raise UserError(f"give {noun}s or --input, not both")
    if texts:
        yield from map(repaired, texts)
        return
    count = 0
    with _open(path, noun) as file:
        for line in map(str.strip, file):
            if line or keep_empty:
                count += 1
                yield line
    if not count:
        raise UserError(f"no {noun}; give one, or --input FILE")


def _open(path, noun):
    """Return a context of the lines of a file or of standard input."""
    if path:
        refuse_special(path)
        try:
            return open(path, **LINES)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from None
    if sys.stdin is None:
        raise UserError(f"no {noun}, and no standard input")
    sys.stdin.reconfigure(**LINES)
    if sys.stdin.isatty():
        print(f"one {noun} a line, end with Ctrl-D", file=sys.stderr)
    return contextlib.nullcontext(sys.stdin)


def check_output(flag: str, path: str | Path) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises:
        UserError: It is a folder, or the folder it is in does not exist.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{flag} {path}: is a folder; expected a file")
    if not path.parent.is_dir():
        raise UserError(f"{flag} {path}: {path.parent} is not a folder")
