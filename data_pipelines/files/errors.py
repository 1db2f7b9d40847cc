"""The error for data that are not as described."""

import errno

# What a process has run out of, whatever file it reads.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

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


def printable(text: object) -> str:
    """Return a path, or another text, as it can be printed on one line."""
    return "".join(
        letter if letter.isprintable() else ascii(letter)[1:-1]
        for letter in str(text)
    )
