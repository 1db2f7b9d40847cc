"""The error for data that are not as described."""


class DataError(ValueError):
    """Bad input: what is wrong, where, and what would be right.

    The message is one line, `file:line: ...` where there is a line, written
    for the person who brought the data. Command lines print it and exit 2.
    """
