"""What is printed: texts of the user's cannot command the terminal."""

import re
import sys
import typing

# C0 and C1 but for tab and line feed, what turns the direction of writing, and
# halves of characters, which are bytes of file names.
_CONTROLS = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def echo(
    *texts: object,
    sep: str = " ",
    file: typing.TextIO | None = None,
    flush: bool = False,
):
    """Print as `print` does, with control characters written out."""
    line = _CONTROLS.sub(
        lambda match: ascii(match[0])[1:-1], sep.join(map(str, texts))
    )
    print(line, file=file or sys.stdout, flush=flush)
