"""Examples that two splits share: the same ones, and nearly the same.

A model that has seen its test examples is scored on what it remembers.

texts      the same if they have the same letters and digits, whatever stands
           between words, and whatever case and form letters have; nearly the
           same if four fifths of the 5-grams of letters of both are common.
           Candidates are found by MinHash in bands (Broder 1997; Leskovec et
           al., Mining of Massive Datasets, 3.4), and then compared whole
pictures   the same if their files are; nearly the same if nine tenths of the
           places where a colour gets darker from left to right are common
           (dHash, 256 places): scaled, compressed anew, brighter; not cropped
windows    of series: the same if all values are; nearly the same if they are
           so after each is scaled to mean 0 and deviation 1

Of a text 136 bytes are in memory, of a picture 96, however large it is.

Letters of shapes: N examples, B bands, R numbers of a band, H horizon.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from apps.common.samples import spread
from data_pipelines.files.ragged import digests

# Which splits are looked at, and in which others their examples should not be.
PAIRS = (("valid", "train"), ("test", "train"), ("test", "valid"))

# Letters of a shingle, and the shingles that a text is found by: its smallest.
_GRAM, _SKETCH = 5, 256

# A pair of texts whose Jaccard similarity is 0.8 is a candidate with a
# probability of 1 - (1 - 0.8^6)^16 = 0.99, one of 0.4 of 0.06.
_BANDS, _ROWS = 16, 6
_SAME_TEXT, _SAME_PICTURE = 0.8, 0.9

# Examples of a split, evenly spread, that near duplicates are looked for among,
# and candidates that an example is compared with.
MOST, _CANDIDATES = 100_000, 20

# Windows of training that those of test are looked for among.
MOST_WINDOWS, _WINDOWS_AT_A_TIME = 5_000_000, 50_000

# Pairs to show, and letters of each.
_SHOWN, _LETTERS = 5, 200

# Levels that count as darker: noise of compression does not.
_DARKER = 2

# Odd 64-bit numbers: multiplied by them, and shifted, numbers are hashed.
_RANDOM = np.random.default_rng(0)
_ODD = _RANDOM.integers(2**63, size=(3, _BANDS * _ROWS), dtype=np.uint64)
_ODD = _ODD * np.uint64(2) + np.uint64(1)


class Overlap(NamedTuple):
    """What a split has in common with another.

    Attributes:
        split: The split.
        other: The other one.
        size: Examples of the split that were looked for.
        exact: How many of them are in the other one.
        near: How many more are nearly the same as one that is.
        pairs: Some of them, most similar first: similarity, how it is shown,
            and the other one.
    """

    split: str
    other: str
    size: int
    exact: int
    near: int
    pairs: list[tuple[float, str, str]]


def repeated(keys: Iterable[str | bytes]) -> int:
    """Return how many of several examples are there once more, before."""
    numbers = digests(k.encode() if isinstance(k, str) else k for k in keys)
    return len(numbers) - len(np.unique(numbers))


def normalized(text: str) -> str:
    """Return the letters and digits of a text, words one space apart."""
    return " ".join(
        re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    )


def of_texts(splits: Mapping[str, Sequence[str]]) -> list[Overlap]:
    """Return what splits of texts have in common; texts of no letter do not."""
    signed = {name: _Texts(texts) for name, texts in splits.items()}
    return [
        _overlap(
            (name, other),
            signed[name].keys,
            signed[other].keys,
            _similar_texts(signed[name], signed[other]),
            [lambda row, n=n: splits[n][row] for n in (name, other)],
        )
        for name, other in PAIRS
        if len(splits[name]) and len(splits[other])
    ]


class _Texts:
    """What is known of the texts of a split.

    Attributes:
        keys: `(N,)` digests of all, 0 for one without letters.
        rows: Those that near duplicates are looked for among.
        bands: `(rows, B)` uint64.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.rows = np.array(spread(len(texts), MOST), np.int64)
        chosen = set(self.rows.tolist())
        self.keys = np.zeros(len(texts), np.int64)
        bands = []
        for row, text in enumerate(texts):
            words = normalized(text)
            if words:
                self.keys[row] = digests([words.encode()])[0]
            if row in chosen:
                bands.append(_bands(shingles(words)))
        self.bands = np.array(bands, np.uint64).reshape(-1, _BANDS)


def shingles(words: str) -> np.ndarray:
    """Return the hashes of the 5-grams of letters of a text, ascending."""
    letters = np.frombuffer(words.encode("utf-32-le"), np.uint32)
    letters = np.pad(letters, (0, max(_GRAM - len(letters), 0)))
    grams = sliding_window_view(letters.astype(np.uint64), _GRAM)
    return np.unique(_mixed(grams @ _ODD[0, :_GRAM]))


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Jaccard similarity of two sets of hashes."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


def _mixed(numbers):
    numbers = (numbers ^ (numbers >> np.uint64(31))) * _ODD[0, -1]
    return numbers ^ (numbers >> np.uint64(29))


def _bands(hashes):
    """Return the bands `(B,)` of the minima of many hash functions."""
    few = hashes[:_SKETCH, None]
    minima = (few * _ODD[1] + _ODD[2] >> np.uint64(20)).min(axis=0)
    return _mixed(minima.reshape(_BANDS, _ROWS) @ _ODD[0, :_ROWS])


def _similar_texts(own, other):
    """Return row -> similarity and row of the most similar text, if any."""
    candidates: dict[int, set[int]] = {}
    for band in range(_BANDS):
        order = np.argsort(other.bands[:, band], kind="stable")
        known = other.bands[order, band]
        first = np.searchsorted(known, own.bands[:, band], "left")
        last = np.searchsorted(known, own.bands[:, band], "right")
        for row in np.flatnonzero(last > first):
            rows = candidates.setdefault(int(row), set())
            rows.update(order[first[row] : last[row]][:_CANDIDATES].tolist())
    best = {}
    for row, rows in candidates.items():
        mine = own.rows[row]
        if not own.keys[mine]:
            continue
        hashes = shingles(normalized(own.texts[mine]))
        for other_row in other.rows[sorted(rows)[:_CANDIDATES]]:
            text = normalized(other.texts[other_row])
            likeness = similarity(hashes, shingles(text))
            if likeness >= max(_SAME_TEXT, best.get(mine, (0,))[0]):
                best[mine] = likeness, other_row
    return best


def _overlap(names, keys, known, similar, shown):
    """Count, and show some pairs; `similar` is row -> similarity, row."""
    order = np.argsort(known, kind="stable")
    places = np.searchsorted(known, keys, sorter=order)
    others = order[np.minimum(places, len(known) - 1)]  # the first of equals
    rows = np.flatnonzero((known[others] == keys) & (keys != 0))
    exact = {
        row: (1.0, other)
        for row, other in zip(rows.tolist(), others[rows], strict=True)
    }
    near = {row: pair for row, pair in similar.items() if row not in exact}
    few = sorted(near.items(), key=lambda item: -item[1][0])[:_SHOWN]
    few = [*list(exact.items())[:_SHOWN], *few]
    return Overlap(
        *names,
        len(keys),
        len(exact),
        len(near),
        [
            (
                likeness,
                *(
                    _short(s(r))
                    for s, r in zip(shown, (row, other), strict=True)
                ),
            )
            for row, (likeness, other) in few
        ],
    )


def _short(text):
    return text if len(text) <= _LETTERS else text[: _LETTERS - 3] + "..."


def bits(picture: np.ndarray) -> np.ndarray:
    """Return where each colour of a small picture gets darker to the right.

    Args:
        picture: `(16, 17, C)` levels.

    Returns:
        Uint8 `(32 * C,)`.
    """
    levels = picture.astype(np.float32)
    return np.packbits(levels[:, :-1] - levels[:, 1:] > _DARKER)


def of_hashes(
    hashes: Mapping[str, np.ndarray],
    contents: Mapping[str, Sequence[str]],
    names: Mapping[str, Sequence[str]],
) -> list[Overlap]:
    """Return what splits of pictures, or of videos, have in common.

    Args:
        hashes: Split -> `(N, W)` uint8, the bits of each.
        contents: Split -> what tells the content of each file.
        names: Split -> how each is shown.
    """
    keys = {
        name: digests(content.encode() for content in every)
        for name, every in contents.items()
    }
    return [
        _overlap(
            (name, other),
            keys[name],
            keys[other],
            _similar_bits(hashes[name], hashes[other]),
            [names[name].__getitem__, names[other].__getitem__],
        )
        for name, other in PAIRS
        if len(keys[name]) and len(keys[other])
    ]


def _similar_bits(own, other):
    """Return row -> similarity and row of the most similar one, if any."""
    rows, known = (np.array(spread(len(h), MOST)) for h in (own, other))
    others = np.ascontiguousarray(other[known]).view(np.uint64)
    best = {}
    for row in rows:
        mine = np.ascontiguousarray(own[row]).view(np.uint64)
        common = np.bitwise_count(mine & others).sum(axis=1, dtype=np.int64)
        every = np.bitwise_count(mine | others).sum(axis=1, dtype=np.int64)
        likeness = common / np.maximum(every, 1)
        nearest = int(likeness.argmax())
        if likeness[nearest] >= _SAME_PICTURE:
            best[int(row)] = float(likeness[nearest]), int(known[nearest])
    return best


def of_windows(
    windows: np.ndarray, before: Iterable[tuple[str, np.ndarray]], split: str
) -> Overlap:
    """Return which windows of a split stand in series before it.

    Those with missing values, or one value alone, are no duplicates. The first
    windows before are looked at, `MOST_WINDOWS` of them.

    Args:
        windows: `(N, H)` targets.
        before: Name and `(T,)` values of what each series has before.
        split: Name of the split.
    """
    own = [_window_keys(windows, scaled) for scaled in (False, True)]
    names: list[dict[int, str]] = [{}, {}]  # key -> series that has it
    left, horizon = MOST_WINDOWS, windows.shape[1]
    for name, values in before:
        every = (
            sliding_window_view(values, horizon)
            if (len(values) >= horizon)
            else windows[:0]
        )
        every = every[: max(left, 0)]
        left -= len(every)
        for start in range(0, len(every), _WINDOWS_AT_A_TIME):
            some = every[start : start + _WINDOWS_AT_A_TIME]
            for scaled in (False, True):
                keys = _window_keys(some, scaled)
                for key in np.intersect1d(keys[keys != 0], own[scaled]):
                    names[scaled].setdefault(int(key), name)
    exact, near = (
        {
            row: names[n][k]
            for row, k in enumerate(own[n].tolist())
            if k in names[n]
        }
        for n in (0, 1)
    )
    near = {row: name for row, name in near.items() if row not in exact}
    pairs = [
        (1.0, f"window {row + 1:,}", name)
        for some in (exact, near)
        for row, name in list(some.items())[:_SHOWN]
    ]
    return Overlap(split, "train", len(windows), len(exact), len(near), pairs)


def _window_keys(windows, scaled):
    """Return a hash of each window, 0 for those that are no duplicates."""
    windows = windows.astype(np.float64)
    mean = windows.mean(axis=1, keepdims=True)
    deviation = windows.std(axis=1, keepdims=True)
    usable = (deviation > 1e-6 * np.abs(mean))[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        if scaled:
            windows = np.round((windows - mean) / deviation, 3) + 0.0
    # Whole numbers end in zeros, which products would carry into the hash.
    bits = _mixed(np.ascontiguousarray(windows).view(np.uint64))
    factors = np.resize(_ODD.ravel(), windows.shape[1])
    factors = factors * np.arange(1, 2 * len(factors), 2, dtype=np.uint64)
    keys = _mixed(bits @ factors).view(np.int64)
    return np.where(usable, keys, 0)
