"""Numbers and counts of words that come one after another."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

# About half a gigabyte of words.
LIMIT = 4_000_000

_WORDS, _NUMBERS = "words.txt", "numbers.npy"


def load(folder: Path) -> tuple[list[str], np.ndarray]:
    """Return the words of a `WordCounter`, and their numbers `(W,)`."""
    words = (folder / _WORDS).read_text("utf-8").split("\n")[:-1]
    return words, np.load(folder / _NUMBERS)


class WordCounter:
    """Give each new word the next number, and count all words.

    When more than `limit` words are held, the rarest are forgotten, as in
    word2vec's own counting; if they come back they are new words with new
    numbers. A number is not used again, since the texts written so far hold
    it, and its count stays. So the strings in memory are bounded, and what
    grows with each new word is 8 bytes.

    Args:
        limit: How many words are held at most.

    Attributes:
        numbers: Word -> its number, for the words that are held.
        size: How many numbers there are, of forgotten words too.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.numbers: dict[bytes, int] = {}
        self.size = 0
        self.limit = limit
        self._counts = np.zeros(1024, np.int64)

    @property
    def counts(self) -> np.ndarray:
        """Occurrences of each number, `(size,)`."""
        return self._counts[: self.size]

    def add(self, words: Sequence[bytes], counts: np.ndarray) -> np.ndarray:
        """Return the numbers of different words, and add their occurrences."""
        numbers = np.empty(len(words), np.int32)
        for i, word in enumerate(words):
            number = self.numbers.get(word)
            if number is None:
                number = self.numbers[word] = self.size
                self.size += 1
            numbers[i] = number
        while self.size > len(self._counts):
            self._counts = np.pad(self._counts, (0, len(self._counts)))
        self._counts[numbers] += counts
        self._forget()
        return numbers

    def save(self, folder: Path) -> None:
        """Write the words that are held, and their numbers, for `load`."""
        with (folder / _WORDS).open("wb") as file:
            file.writelines(word + b"\n" for word in self.numbers)
        np.save(folder / _NUMBERS, np.array([*self.numbers.values()], np.int32))

    def _forget(self) -> None:
        """Forget the rarest words while there are too many."""
        threshold = 0
        while len(self.numbers) > self.limit:
            threshold += 1
            self.numbers = {
                word: number
                for word, number in self.numbers.items()
                if self._counts[number] > threshold
            }
