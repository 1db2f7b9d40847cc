"""The one error of the pipelines."""


class DataError(ValueError):
    """Bad input.

    The message is one clear line: what is wrong, in which file and line, and
    what would be right.  Command lines print it and end with status 2.
    """
