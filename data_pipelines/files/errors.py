"""What is wrong with the data, said in one line."""


class DataError(ValueError):
    """Bad input: what is wrong, where, and what would be right.

    The message is one line, `file:line: ...` where there is a line, written
    for the person who brought the data.  Command lines print it and exit 2.
    """
