"""What the system refuses, in one line: a full disk, a file, memory."""

import errno
import os
import re
import sys

_SPACE = (
    "free some space (`make clean` deletes the caches) and repeat the command:"
    " a training goes on where it was"
)
_FILES = "close some programs, or allow more files by `ulimit -n 4096`"

_ADVICE = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "allow larger files by `ulimit -f unlimited`",
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}
_NUMBERS = {os.strerror(number): number for number in errno.errorcode}

# How TensorFlow writes what its file system says, and what Python said to it.
_TENSORFLOW = re.compile(
    rf"([^;{{}}\n]+); ({'|'.join(map(re.escape, _NUMBERS))})\b"
)
_PYTHON = re.compile(r"\[Errno (\d+)\] ([^:\n]+)(?:: '([^'\n]*)')?")


def line(error: Exception) -> str | None:
    """Return what an error of the system says; `None` if it is none."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError):
        if not error.strerror:
            said = (n for what, n in _NUMBERS.items() if what in text)
            return _line(next(said, None), text or type(error).__name__, None)
        return _line(error.errno, error.strerror, error.filename)
    # Loaded or not: without it, it is no error of it.
    tensorflow = sys.modules.get("tensorflow")
    of_tensorflow = tensorflow and isinstance(error, tensorflow.errors.OpError)
    if isinstance(error, MemoryError) or (
        of_tensorflow and text.partition("}} ")[2].startswith("OOM ")
    ):
        return "not enough memory; try smaller batches or a smaller model"
    if not of_tensorflow:
        return None
    if match := _TENSORFLOW.search(text):
        return _line(_NUMBERS[match[2]], match[2], match[1].strip())
    if match := _PYTHON.search(str(error)):
        return _line(int(match[1]), match[2], match[3])
    return None


def _line(number, what, path):
    advice = f"; {_ADVICE[number]}" if number in _ADVICE else ""
    return f"{'' if path is None else f'{path}: '}{what}{advice}"
