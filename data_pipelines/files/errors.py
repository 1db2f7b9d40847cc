"""The error for data that are not as described."""

import errno
import re

# What a process has run out of, whatever file it reads.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

# C0 and C1, what ends a line or turns the direction of writing, and halves of
# characters, which are bytes of file names.
_CONTROLS = re.compile(
    "[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

# Letters of a message; of a longer one both ends are shown.
_LONGEST = 2000


class DataError(ValueError):
    """Bad input: what is wrong, where, and what would be right.

    The message is one line, `file:line: ...` where there is a line, written
    for the person who brought the data. Command lines print it and exit 2.
    What cannot be printed, of data that it quotes, is spelled out.
    """

    def __init__(self, message: str) -> None:
        if len(message) > _LONGEST:
            half = _LONGEST // 2
            message = f"{message[:half]} ... {message[-half:]}"
        super().__init__(printable(message))


def printable(text: object, but: str = "") -> str:
    """Return a path, or another text, as it can be printed on one line.

    Control characters, but for some, are written out.
    """
    return _CONTROLS.sub(
        lambda match: match[0] if match[0] in but else ascii(match[0])[1:-1],
        str(text),
    )
