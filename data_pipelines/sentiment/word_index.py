"""Numbers for words that are met one after another."""

from collections.abc import Sequence

import numpy as np

# About half a gigabyte of words.
LIMIT = 4_000_000


class Lexicon:
    """Gives each new word the next number and counts words per split.

    When more than `limit` words are held, the rarest in all splits together
    are forgotten, as in word2vec's own counting; if they come back they are
    new words with new numbers.  A number is not used again, since the texts
    written so far hold it, and its counts stay.  So the strings in memory are
    bounded, and what grows with each new word is 8 bytes for each split.

    Args:
        splits: names of the splits.
        limit: how many words are held at most.
    """

    def __init__(self, splits: Sequence[str], limit: int = LIMIT) -> None:
        self.numbers: dict[bytes, int] = {}
        self.next = 0
        self.limit = limit
        self._counts = np.zeros((len(splits), 1024), np.int64)

    @property
    def counts(self) -> np.ndarray:
        """Occurrences `(splits, numbers)`."""
        return self._counts[:, : self.next]

    def number(self, words: Sequence[bytes]) -> np.ndarray:
        """Numbers of different words, `(len(words),)` int32."""
        numbers = np.empty(len(words), np.int32)
        known = self.numbers
        for i, word in enumerate(words):
            value = known.get(word)
            if value is None:
                value = known[word] = self.next
                self.next += 1
            numbers[i] = value
        while self.next > self._counts.shape[1]:
            self._counts = np.concatenate(
                [self._counts, np.zeros_like(self._counts)], axis=1
            )
        return numbers

    def add(self, split: int, numbers: np.ndarray, counts: np.ndarray) -> None:
        """Adds occurrences of different words in one split."""
        self._counts[split, numbers] += counts

    def prune(self) -> None:
        """Forgets the rarest words while there are too many."""
        threshold = 0
        while len(self.numbers) > self.limit:
            threshold += 1
            total = self.counts.sum(axis=0)
            self.numbers = {
                word: number
                for word, number in self.numbers.items()
                if total[number] > threshold
            }
