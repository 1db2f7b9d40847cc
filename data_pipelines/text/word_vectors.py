"""Word vectors from a word2vec or GloVe text file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import Lines
from data_pipelines.text.bpe import SPACE
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.text.words import PADDING, SPECIALS, Vocabulary

# No vectors that are given out are wider, and no number of theirs is longer.
_WIDEST = 4096
_LONGEST_NUMBER = 64

# Bytes of a line with the longest word and numbers.
_LONGEST_LINE = 2**20

# Of the size that embeddings usually start with.
_SPREAD = 0.05


def load_vectors(
    path: str | Path,
    vocabulary: Vocabulary,
    seed: int = 0,
) -> tuple[np.ndarray, int]:
    """Read the vectors of the words in a vocabulary, line by line.

    Each line is a word and its numbers, separated by single spaces; the first
    line may be word2vec's header, the two numbers `words size`. A word on
    two lines keeps its first vector.

    Args:
        path: The file, gzipped or not.
        vocabulary: Whose words are looked up, as they are written in it.
        seed: Random seed of the small vectors of all other words.

    Returns:
        `(V, D)` float32, row 0 (padding) zero, and the number of words that
        the file has.
    """
    vectors: dict[int, np.ndarray] = {}
    with contextlib.closing(_rows(path)) as rows:
        for word, numbers, number in rows:
            width = len(numbers)
            index = vocabulary.ids([word])[0]
            if vocabulary.words[index] != word or index in vectors:
                continue
            vectors[index] = _parse(numbers, f"{path}:{number}")
    random = np.random.default_rng([seed, 0x7EC])
    table = random.uniform(-_SPREAD, _SPREAD, (len(vocabulary), width))
    for index, vector in vectors.items():
        table[index] = vector
    table[PADDING] = 0
    return table.astype(np.float32), len(vectors)


def load_token_vectors(
    path: str | Path, tokenizer: Tokenizer, seed: int = 0
) -> tuple[np.ndarray, int]:
    """Read the vectors of the words of a tokenizer; see `load_vectors`.

    A token that begins a word is that word; another one is no word of a file.
    """
    words = [
        token[1:] if token.startswith(SPACE) else SPACE + token
        for token in tokenizer.pieces[len(SPECIALS) :]
    ]
    return load_vectors(path, Vocabulary([*SPECIALS, *words]), seed=seed)


def _rows(path: str | Path) -> Iterator[tuple[str, list[str], int]]:
    """Yield word, its numbers as strings, and the number of the line."""
    number = 0
    for number, line in enumerate(Lines(path, "utf-8"), 1):
        if len(line) > _LONGEST_LINE:
            raise DataError(
                f"{path}:{number}: the line is longer than {_LONGEST_LINE:,} "
                "letters; expected a word and its numbers"
            )
        parts = line.rstrip("\r\n ").split(" ")
        if number == 1:
            header = len(parts) == 2 and all(p.isdecimal() for p in parts)
            # No more digits than Python reads.
            width = int(parts[1][:99]) if header else len(parts) - 1
            if not 1 <= width <= _WIDEST:
                raise DataError(
                    f"{path}:1: expected a word and its numbers, at most "
                    f"{_WIDEST:,}"
                )
            if header:
                continue
        # A few words of well-known files have spaces in them, so a line may
        # have more fields, but what stands before the last ones is no number.
        extra = len(parts) - width - 1
        if extra < 0 or (extra and _is_number(parts[extra])):
            raise DataError(
                f"{path}:{number}: expected a word and {width} numbers, "
                f"found {len(parts)} fields"
            )
        yield " ".join(parts[:-width]), parts[-width:], number
    if number < 2:
        raise DataError(f"{path}: has fewer than two lines of vectors")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _parse(numbers: list[str], where: str) -> np.ndarray:
    try:
        if max(map(len, numbers)) > _LONGEST_NUMBER:
            raise ValueError
        vector = np.array(numbers, np.float32)
    except ValueError:
        raise DataError(f"{where}: a vector holds what is no number") from None
    if not np.isfinite(vector).all():
        raise DataError(f"{where}: a vector holds an infinite number or nan")
    return vector
