"""What word vectors are tested on: pairs with a score, and analogies.

Pairs     `word<tab>word<tab>score` a line, or with commas, as WordSim-353; the
          first line may be a heading, and lines that begin with # are left out
Questions four words a line, the first to the second as the third to the fourth;
          a line that begins with a colon names the section that follows
"""

import math
from pathlib import Path
from typing import NamedTuple

from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import Lines


class Pair(NamedTuple):
    """Two words, and how alike people find them."""

    first: str
    second: str
    score: float


class Question(NamedTuple):
    """`a` is to `b` as `c` is to `d`."""

    section: str
    a: str
    b: str
    c: str
    d: str


def read_pairs(path: str | Path) -> list[Pair]:
    """Read pairs with their scores.

    Raises:
        DataError: A line is something else, or there are fewer than two.
    """
    pairs = []
    for number, line in enumerate(Lines(path), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t" if "\t" in line else ",")
        score = _number(fields[2].strip()) if len(fields) == 3 else None
        words = [field.strip() for field in fields[:2]]
        if score is None or not all(words):
            if number == 1 and len(fields) == 3:
                continue  # a heading
            raise DataError(
                f"{path}:{number}: expected two words and a score, with tabs or"
                f" commas between, found {line[:80]!r}"
            )
        pairs.append(Pair(*words, score))
    if len(pairs) < 2:
        raise DataError(f"{path}: has fewer than two pairs of words")
    return pairs


def _number(field: str) -> float | None:
    try:
        number = float(field)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_questions(path: str | Path) -> list[Question]:
    """Read analogies.

    Raises:
        DataError: A line has other than four words, or there is none.
    """
    questions, section = [], ""
    for number, line in enumerate(Lines(path), 1):
        words = line.split()
        if line.startswith(":"):
            section = line[1:].strip()
        elif len(words) == 4:
            questions.append(Question(section, *words))
        elif words:
            raise DataError(
                f"{path}:{number}: expected four words, or a colon and the name"
                f" of a section, found {line.strip()[:80]!r}"
            )
    if not questions:
        raise DataError(f"{path}: has no question of four words")
    return questions
