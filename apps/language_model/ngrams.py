"""N-gram models to compare with: Katz back-off, and Kneser and Ney's.

    counts = Counts.of(blocks, order=5, size=10_000)
    model = kneser_ney(counts)
    logs = model.log_probabilities(tokens)          # of every token to predict

A sequence begins with as many zeros as a context has tokens, so every token has
a whole context; 0 is never predicted, nor is what begins a sequence.

All n-grams of one length are rows of a table, sorted by number: an n-gram has
the number `c * M + g`, with c its first token and g the row of the other n - 1
among the M of their table. So a text is looked up from short to long, n
searches for all of its tokens at once, and the n-grams of one suffix, or of one
context, are counted by `bincount`. Counting reads the text once for each length
and keeps no more of it than a block and the n-grams that differ.

Letters of shapes: T tokens, M different n-grams of one length, V vocabulary.
"""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

# Counts up to this one are discounted: Katz 1987, section IV.
_KATZ_MOST = 5

# Discounts where a text has too few different counts to tell them.
_FALLBACK = np.array([0.5, 1.0, 1.5])


@dataclasses.dataclass(frozen=True)
class Table:
    """The n-grams of one length.

    Attributes:
        keys: `(M,)` their numbers, ascending.
        counts: `(M,)` how often each was to be predicted.
        suffixes: `(M,)` row of its last n - 1 tokens in the table before.
        contexts: `(M,)` row of its first n - 1 tokens there.
    """

    keys: np.ndarray
    counts: np.ndarray
    suffixes: np.ndarray
    contexts: np.ndarray


@dataclasses.dataclass(frozen=True)
class Counts:
    """The n-grams of a text, of every length up to `order`.

    Attributes:
        tables: Of length 1, 2, ...
        size: V, of which two are never predicted.
    """

    tables: list[Table]
    size: int

    @classmethod
    def of(
        cls,
        blocks: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]],
        order: int,
        size: int,
    ) -> "Counts":
        """Count a text.

        Args:
            blocks: Returns an iterator over the text, each time from its
                beginning: tokens `(T,)`, of which the first `order` repeat
                what stands before them, or are zeros, and which of them are
                to be predicted, `(T,)`.
            order: Length of the longest n-grams.
            size: V.
        """
        counts = cls([], size)
        for length in range(1, order + 1):
            keys = np.arange(size) if length == 1 else np.zeros(1, np.int64)
            times = np.zeros(len(keys), np.int64)
            for tokens, predicted in blocks():
                own = counts.numbers(tokens, length)[order - 1 :]
                weights = predicted[order - 1 :]
                keys, times = _merged(keys, times, own, weights)
            counts.tables.append(counts._table(keys, times))
        return counts

    def _table(self, keys, counts):
        """Return the table of one more length."""
        nothing = np.zeros_like(keys)
        if not self.tables:
            return Table(keys, counts, nothing, nothing)
        before = self.tables[-1]
        first, suffixes = np.divmod(keys, len(before.keys))
        if len(self.tables) == 1:
            return Table(keys, counts, suffixes, first)
        # Its context is its first token, and the context of its suffix.
        shorter = len(self.tables[-2].keys)
        contexts = np.searchsorted(
            before.keys, first * shorter + before.contexts[suffixes]
        )
        return Table(keys, counts, suffixes, contexts)

    def numbers(self, tokens: np.ndarray, length: int) -> np.ndarray:
        """Return the number of the n-gram that ends at each token, `(T,)`.

        It is -1 where its last n - 1 tokens are not in the text. Before the
        first token there are zeros.
        """
        rows = tokens.astype(np.int64)
        for n in range(2, length + 1):
            first = np.zeros_like(rows)
            first[n - 1 :] = tokens[: len(tokens) - n + 1]
            keys = first * len(self.tables[n - 2].keys) + rows
            keys[rows < 0] = -1
            rows = keys if n == length else self.rows(keys, n)
        return rows

    def rows(self, keys: np.ndarray, length: int) -> np.ndarray:
        """Return the rows of n-grams in their table, -1 if it has them not."""
        known = self.tables[length - 1].keys
        rows = np.searchsorted(known, keys)
        rows[rows == len(known)] = 0
        return np.where(known[rows] == keys, rows, -1)


def _merged(keys, counts, own, weights):
    """Add the n-grams of a block to those that are sorted already."""
    weights = weights.astype(bool)
    read = np.unique(own[~weights])  # and not predicted
    own, added = np.unique(own[weights], return_counts=True)
    every = np.unique(np.concatenate([keys, own, read]))
    total = np.zeros(len(every), np.int64)
    total[np.searchsorted(every, keys)] = counts
    total[np.searchsorted(every, own)] += added
    return every, total


@dataclasses.dataclass(frozen=True)
class Level:
    """What n-grams of one length add to those that are shorter.

        p(w | h) = own(h w) + rest(h) p(w | h')     if `interpolated`
        p(w | h) = own(h w), or rest(h) p(w | h') if h w is not in the text

    Attributes:
        own: `(M,)` of every n-gram.
        rest: Of every context, 1 where it is not in the text.
        interpolated: Which of the two.
    """

    own: np.ndarray
    rest: np.ndarray
    interpolated: bool


@dataclasses.dataclass(frozen=True)
class NGrams:
    """A model of n-grams.

    Attributes:
        counts: Of the text it was estimated from.
        levels: Of length 1, 2, ...
    """

    counts: Counts
    levels: list[Level]

    def log_probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """Return log p of each token after those before it, `(T,)`.

        It is -inf for what is never predicted.
        """
        contexts = np.zeros(len(tokens), np.int64)  # The empty one.
        chances = np.zeros(len(tokens))
        for length, level in enumerate(self.levels, 1):
            rows = self.counts.numbers(tokens, length)
            if length > 1:
                rows = self.counts.rows(rows, length)
            known = rows >= 0
            own = np.where(known, level.own[rows], 0.0)
            if length == 1:
                chances = own
            else:
                rest = np.where(contexts >= 0, level.rest[contexts], 1.0)
                lower = rest * chances
                chances = (
                    own + lower
                    if level.interpolated
                    else np.where(own > 0, own, lower)
                )
            # The context of the next length: the n-gram that ends before.
            contexts = np.concatenate([[-1], rows[:-1]])
        with np.errstate(divide="ignore"):
            return np.log(chances)


def uniform(size: int) -> float:
    """Return log p of any token that can be predicted."""
    return -float(np.log(_predictable(size)))


def _predictable(size):
    return size - 2  # neither padding nor what begins a sentence


def _is_predictable(size):
    """Return for each token whether it can be predicted, `(V,)`."""
    return ~np.isin(np.arange(size), (0, 2))


def kneser_ney(counts: Counts, order: int, discounts=None) -> NGrams:
    """Return interpolated modified Kneser-Ney.

    Chen and Goodman 1998, "An empirical study of smoothing techniques for
    language modeling", section 3:

        (1)  p(w | h) = max(c(h w) - D(c(h w)), 0) / c(h) + g(h) p(w | h')
        (2)  g(h) = (D_1 N_1(h) + D_2 N_2(h) + D_3 N_3(h)) / c(h)
        (3)  D_i = i - (i + 1) Y n_(i+1) / n_i,  Y = n_1 / (n_1 + 2 n_2)

    with N_i(h) how many words follow h just i times, for i = 3 three times or
    more, and n_i how many n-grams there are i times. c is how often an n-gram
    occurs, and for those shorter than `order` in how many words' company: the
    different words before it. Single words are interpolated with the uniform
    distribution.

    Args:
        counts: Of the text.
        order: Length of the longest n-grams used.
        discounts: `(order, 3)`, D of each length, instead of (3).
    """
    levels = []
    for length, table in enumerate(counts.tables[:order], 1):
        times = table.counts
        if length < order:
            longer = counts.tables[length]
            before = longer.suffixes[longer.counts > 0]
            times = np.bincount(before, minlength=len(table.keys))
        own_discounts = (
            discounts_of(times) if discounts is None else discounts[length - 1]
        )
        cut = np.concatenate([[0.0], own_discounts])[np.minimum(times, 3)]
        contexts = counts.size if length == 2 else 1
        if length > 2:
            contexts = len(counts.tables[length - 2].keys)
        total = np.bincount(table.contexts, times, contexts)
        rest = np.bincount(table.contexts, cut, contexts)
        rest = np.divide(rest, total, out=np.ones(contexts), where=total > 0)
        own = np.maximum(times - cut, 0) / np.maximum(total[table.contexts], 1)
        if length == 1:
            share = rest[0] / _predictable(counts.size)
            own += share * _is_predictable(counts.size)
        levels.append(Level(own, rest, True))
    return NGrams(counts, levels)


def discounts_of(times: np.ndarray) -> np.ndarray:
    """Return D_1, D_2 and D_3 of counts by equation (3)."""
    n = np.bincount(np.minimum(times, 5), minlength=6)[1:5].astype(float)
    if not n.all():
        return _FALLBACK
    y = n[0] / (n[0] + 2 * n[1])
    i = np.arange(1, 4)
    discounts = i - (i + 1) * y * n[1:] / n[:3]
    return discounts if (discounts > 0).all() else _FALLBACK


def katz(counts: Counts, order: int) -> NGrams:
    """Return Katz's back-off with Good and Turing's discounts.

    Katz 1987, "Estimation of probabilities from sparse data for the language
    model component of a speech recognizer":

        (1)  p(w | h) = d_r r / c(h) with r = c(h w), if r > 0
        (2)  p(w | h) = a(h) p(w | h') else
        (3)  d_r = (r* / r - q) / (1 - q),  r* = (r + 1) n_(r+1) / n_r,
             q = (k + 1) n_(k+1) / n_1,     for r <= k = 5, and else 1

    and a(h) so that all add up to 1. Where no count of a context is discounted
    its total is one larger, so that something is left for other words; where
    all words have followed it, their probabilities are scaled to 1. With too
    few different counts for (3), half of one is taken from each. Of single
    words, those that are not in the text share what (3) leaves.
    """
    levels, lower = [], np.zeros(0)
    for length, table in enumerate(counts.tables[:order], 1):
        times = table.counts
        share = _good_turing(times) * times
        if length == 1:
            own = _katz_words(counts.size, times, share)
            rest = np.ones(1)
        else:
            before = len(counts.tables[length - 2].keys)

            def add(values, table=table, before=before):
                return np.bincount(table.contexts, values, before)

            total, left = add(times), add(times - share)
            total = np.maximum(total + (left <= 1e-9), 1)
            own = share / total[table.contexts]
            shorter = np.where(times > 0, lower[table.suffixes], 0.0)
            missing = 1 - add(shorter)
            rest = (1 - add(own)) / np.maximum(missing, 1e-12)
            # All words that can follow have done so.
            whole = missing < 1e-9
            rest[whole] = 0.0
            own /= np.where(whole, np.maximum(add(own), 1e-12), 1.0)[
                table.contexts
            ]
            rest[add(times) == 0] = 1.0
        levels.append(Level(own, rest, False))
        lower = own
    return NGrams(counts, levels)


def _katz_words(size, times, share):
    """Return the probability of single words, `(V,)`."""
    unseen = (times == 0) & _is_predictable(size)
    if not unseen.any():
        return times / times.sum()
    left = max(times.sum() - share.sum(), 1.0)
    words = np.where(unseen, left / unseen.sum(), share)
    return words / words.sum()


def _good_turing(times):
    """Return d_r of each count by equation (3), 1 for those of none."""
    n = np.bincount(np.minimum(times, _KATZ_MOST + 2)).astype(float)
    n = np.pad(n, (0, _KATZ_MOST + 3 - len(n)))
    r = np.arange(1, _KATZ_MOST + 1)
    if n[1 : _KATZ_MOST + 2].all():
        q = (_KATZ_MOST + 1) * n[_KATZ_MOST + 1] / n[1]
        d = ((r + 1) * n[r + 1] / n[r] / r - q) / (1 - q)
        if ((d > 0) & (d <= 1)).all():
            table = np.concatenate([[1.0], d, [1.0]])
            return table[np.minimum(times, _KATZ_MOST + 1)]
    return np.where(times > 0, 1 - 0.5 / np.maximum(times, 1), 1.0)


def unigram(counts: Counts) -> np.ndarray:
    """Return log p of every token by its share, one added to each, `(V,)`."""
    times = counts.tables[0].counts + _is_predictable(counts.size)
    with np.errstate(divide="ignore"):
        return np.log(times / times.sum())


def cache(tokens: np.ndarray, window: int) -> np.ndarray:
    """Return p of each token among the `window` tokens before it, `(T,)`.

    Kuhn and De Mori 1990, "A cache-based natural language model for speech
    recognition", for words.
    """
    order = np.argsort(tokens, kind="stable")
    positions, words = order, tokens[order]
    # Among the same words, those from `window` before a position on.
    scale = len(tokens) + window + 1
    keys = words.astype(np.int64) * scale + positions
    low = words.astype(np.int64) * scale + np.maximum(positions - window, 0)
    times = np.arange(len(tokens)) - np.searchsorted(keys, low)
    chances = np.zeros(len(tokens))
    chances[order] = times / np.maximum(np.minimum(positions, window), 1)
    return chances


def mixture(chances: np.ndarray, rounds: int = 50) -> np.ndarray:
    """Return the weights that make a mixture of models the likeliest.

    Expectation maximization from even weights.

    Args:
        chances: `(models, T)`, the probability that each gives each token.
        rounds: How often the weights are improved.
    """
    weights = np.full(len(chances), 1 / len(chances))
    for _ in range(rounds):
        shares = weights[:, None] * chances
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
    return weights
