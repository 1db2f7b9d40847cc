"""Writes a corpus folder: reads, tokenizes and counts, a chunk at a time."""

import dataclasses
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.files.progress import Progress
from data_pipelines.files.records import Record
from data_pipelines.files.splits import places, ranked
from data_pipelines.sentiment.corpus import FIELDS
from data_pipelines.sentiment.word_index import Lexicon
from data_pipelines.text import word_tokenizer

# A chunk ends at whichever comes first.
_CHUNK_TEXTS = 512
_CHUNK_BYTES = 2**22
_MOST_LABELS = 10_000


@dataclasses.dataclass(frozen=True)
class Source:
    """One file, or the like, and the splits it goes to.

    Attributes:
        name: what messages call it.
        records: yields (text, label, line); may have a count `repaired`.
        shares: split name -> its share; the shares add up to 1.
    """

    name: str
    records: Iterable[Record]
    shares: dict[str, float]


def build(
    folder: Path, sources: Sequence[Source], splits: Sequence[str], seed: int
) -> None:
    """Reads all sources, in order, into a corpus folder.

    Texts without any word are left out and counted.  A source with several
    shares is cut by a hash of the words of each text and the seed, so that
    texts with equal words are on one side.  Where that leaves a side without
    any text, as it can with few, the sides share the ranks of the hashes
    instead, each at least one, if there are as many different texts.

    Args:
        folder: an existing empty folder.
        sources: what to read.
        splits: names of the splits.
        seed: of the cut.
    """
    cuts = [np.cumsum(list(s.shares.values()))[:-1] for s in sources]
    _read(folder, sources, splits, seed, cuts)
    ranked = [_ranked(folder, s.shares, seed) for s in sources]
    if any(cut is not None for cut in ranked):
        pairs = zip(ranked, cuts, strict=True)
        cuts = [old if new is None else new for new, old in pairs]
        _read(folder, sources, splits, seed, cuts)


def _read(
    folder: Path,
    sources: Sequence[Source],
    splits: Sequence[str],
    seed: int,
    cuts: Sequence[np.ndarray],
) -> None:
    """Writes the whole folder, over what is there."""
    builder = _Builder(folder, splits, seed)
    with builder:
        for source, cut in zip(sources, cuts, strict=True):
            builder.read(source, cut)
    builder.finish()


def _ranked(
    folder: Path, shares: dict[str, float], seed: int
) -> np.ndarray | None:
    """Cuts that leave no side empty; None if there is no need, or no way."""
    paths = [folder / f"{split}.digests" for split in shares]
    if all(path.stat().st_size for path in paths):
        return None
    digests = [np.fromfile(path, FIELDS["digests"]) for path in paths]
    return ranked(np.concatenate(digests), shares, seed)


class _Builder:
    """Appends examples to the arrays of their splits."""

    def __init__(self, folder: Path, splits: Sequence[str], seed: int) -> None:
        self.folder = folder
        self.splits = list(splits)
        self.seed = seed
        self.lexicon = Lexicon(splits)
        self.labels: dict[str, int] = {}
        self.sources: list[dict] = []
        self.files = {
            (split, field): (folder / f"{split}.{field}").open("wb")
            for split in splits
            for field in FIELDS
        }

    def __enter__(self) -> "_Builder":
        return self

    def __exit__(self, *error: object) -> None:
        for file in self.files.values():
            file.close()

    def read(self, source: Source, cuts: np.ndarray) -> None:
        """Reads one source to its end.

        Args:
            source: what to read.
            cuts: where, between 0 and 1, each of its splits but the first
                begins.
        """
        about = {
            "name": source.name,
            "splits": list(source.shares),
            "examples": 0,
            "empty": 0,
            "first": {},
        }
        progress = Progress(f"reading {source.name}", "texts")
        chunks = self._chunks(source, about["first"])
        for chunk, analysis in _ahead(_analyze, chunks):
            sides = np.searchsorted(
                cuts, places(analysis[-1], self.seed), side="right"
            )
            about["empty"] += self._append(
                chunk, analysis, sides, source.shares
            )
            about["examples"] += len(chunk[0])
            progress.show(about["examples"])
        progress.done(about["examples"])
        about["repaired"] = getattr(source.records, "repaired", 0)
        self.sources.append(about)

    def _chunks(
        self, source: Source, first: dict[str, int]
    ) -> Iterator[tuple[list[bytes], np.ndarray]]:
        texts: list[bytes] = []
        labels: list[int] = []
        size = 0
        for words, label, line in source.records:
            if label not in first:
                first[label] = line
                self._new_label(label, f"{source.name}:{line}")
            # JSON can hold halves of surrogate pairs, UTF-8 cannot.
            texts.append(words.encode("utf-8", "replace"))
            labels.append(self.labels[label])
            size += len(texts[-1])
            if len(texts) == _CHUNK_TEXTS or size > _CHUNK_BYTES:
                yield texts, np.array(labels, np.int32)
                texts, labels, size = [], [], 0
        if texts:
            yield texts, np.array(labels, np.int32)

    def _new_label(self, label: str, where: str) -> None:
        self.labels.setdefault(label, len(self.labels))
        if len(self.labels) > _MOST_LABELS:
            raise DataError(
                f"{where}: more than {_MOST_LABELS:,} different labels so "
                "far; expected a few classes"
            )

    def _append(
        self, chunk, analysis, sides: np.ndarray, names: Iterable[str]
    ) -> int:
        """Writes one chunk; returns how many of its texts were empty."""
        texts, labels = chunk
        words, index, sizes, digests = analysis
        numbers = self.lexicon.number(words)
        for side, split in enumerate(names):
            rows = (sides == side) & (sizes > 0)
            kept = np.repeat(rows, sizes)
            counts = np.bincount(index[kept], minlength=len(words))
            self.lexicon.add(self.splits.index(split), numbers, counts)
            chosen = [texts[row] for row in np.flatnonzero(rows)]
            self._write(split, "tokens", numbers[index[kept]])
            self._write(split, "sizes", sizes[rows])
            self._write(split, "labels", labels[rows])
            self._write(split, "digests", digests[rows])
            lengths = [len(choice) for choice in chosen]
            self._write(split, "text_sizes", lengths)
            self.files[split, "texts"].write(b"".join(chosen))
        self.lexicon.prune()
        return int((sizes == 0).sum())

    def _write(self, split: str, field: str, values) -> None:
        array = np.asarray(values, FIELDS[field])
        self.files[split, field].write(array.tobytes())

    def finish(self) -> None:
        """Writes what is known only at the end."""
        numbers = self.lexicon.numbers
        with (self.folder / "words.txt").open("wb") as file:
            file.writelines(word + b"\n" for word in numbers)
        values = np.fromiter(numbers.values(), np.int32, len(numbers))
        np.save(self.folder / "numbers.npy", values)
        np.save(self.folder / "counts.npy", self.lexicon.counts)
        meta = {
            "splits": self.splits,
            "labels": list(self.labels),
            "sources": self.sources,
        }
        written = json.dumps(meta, ensure_ascii=False, indent=1)
        (self.folder / "meta.json").write_text(written, "utf-8")


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def _graph(texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
    spaced = word_tokenizer.normalize(texts)
    tokens = tf.strings.split(spaced)
    words, index = tf.unique(tokens.flat_values)
    digests = tf.strings.to_hash_bucket_strong(
        tf.strings.regex_replace(spaced, r"\s+", ""), 2**63 - 1, [1, 2]
    )
    return words, index, tokens.row_lengths(), digests


def _analyze(chunk) -> tuple:
    words, index, sizes, digests = _graph(tf.constant(chunk[0], tf.string))
    return words.numpy().tolist(), index.numpy(), sizes.numpy(), digests.numpy()


def _ahead(work: Callable, items: Iterable) -> Iterator[tuple]:
    """Yields (item, work(item)) in order; a few items are worked ahead."""
    with ThreadPoolExecutor(2) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > 3:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
