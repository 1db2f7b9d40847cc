"""What is printed: texts of the user's cannot command the terminal."""

import sys
import typing

from data_pipelines.files.errors import printable


def echo(
    *texts: object,
    sep: str = " ",
    end: str = "\n",
    file: typing.TextIO | None = None,
    flush: bool = False,
):
    """Print as `print` does, with control characters written out."""
    line = printable(sep.join(map(str, texts)), but="\n\t")
    print(line, end=end, file=file or sys.stdout, flush=flush)
