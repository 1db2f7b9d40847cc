r"""Texts and labels -> batches for sentiment, or any text classification.

Record    (text, label): two strings
Files     --data-path FOLDER with train.csv and, if you have them, valid.csv
          and test.csv; .tsv and .jsonl as well, gzipped or not.  Columns (or
          keys) `text` and `label`; labels are words or numbers, two or more.
          A missing split is cut from train: a tenth of it, chosen by a hash
          of the words, so equal texts stay on one side.
Batch     (ids, labels): int32 `(B, T)` padded with 0 on the right,
          int32 `(B,)`, the index in `Datasets.labels`

    data = make_datasets("files", "my-reviews", cache_path="data/cache",
                         batch_size=64, max_length=400,
                         vocabulary_size=20_000, seed=0)
    data.train.dataset(training=True, start_step=0)  # endless; fit needs
    data.train.steps_per_pass                        # steps_per_epoch
    data.valid.dataset()        # one pass, in the order of data.valid.order
    data.test.in_order(predictions)          # back in the order of the file
    data.test.labels[i], data.test.text(i), len(data.test)
    data.vocabulary.save(path), data.labels, data.unknown_rate["test"]
    print(*data.report(), sep="\n")

The vocabulary comes from train only.  To evaluate an old run on new data pass
its `vocabulary` and `labels`.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipelines import batching, buckets, cache, corpus, public
from data_pipelines.demo import sentiment as demo
from data_pipelines.errors import DataError
from data_pipelines.records import SUFFIXES, Records, suffix_of
from data_pipelines.text import KEEP, UNKNOWN, VERSION, Vocabulary, halves

__all__ = ["KEEP", "SOURCES", "Datasets", "Split", "make_datasets"]

SPLITS = ("train", "valid", "test")

# What is cut from train for each split that is missing.
_SHARE = 0.1

# Labels named in one line.
_MOST_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Split:
    """Examples of one split; nothing of the size of the texts is in memory.

    Attributes:
        encoded: words as ids; `make_dataset` of `batching` takes it.
        part: the arrays on disk.
        batch_size: examples in a batch.
        seed: of the order of the training passes.
        drop_remainder: see `batching.make_dataset`.
    """

    encoded: batching.Encoded
    part: corpus.Part
    batch_size: int
    seed: int
    drop_remainder: bool

    def __len__(self) -> int:
        return len(self.encoded)

    @property
    def labels(self) -> np.ndarray:
        """Index of each example's label, `(N,)` int32, order of the file."""
        return self.encoded.labels

    @property
    def order(self) -> np.ndarray:
        """Row numbers in the order of `dataset()`, `(N,)`."""
        return self.encoded.order

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return batching.steps_per_pass(
            len(self), self.batch_size, self.drop_remainder
        )

    def dataset(
        self, training: bool = False, start_step: int = 0
    ) -> tf.data.Dataset:
        """Batches: one pass sorted by length, or the endless training stream.

        Args:
            training: whether to make the stream.
            start_step: batches of the stream to leave out.
        """
        return batching.make_dataset(
            self.encoded,
            batch_size=self.batch_size,
            seed=self.seed,
            training=training,
            start_step=start_step,
            drop_remainder=self.drop_remainder,
        )

    def in_order(self, predictions: np.ndarray) -> np.ndarray:
        """Puts rows made from `dataset()` back into the order of the file."""
        sorted_back = np.empty_like(predictions)
        sorted_back[self.order] = predictions
        return sorted_back

    def text(self, row: int) -> str:
        """The text of one example, as it stands in the file."""
        start = self._text_starts[row]
        found = self.part.texts[start : start + self.part.text_sizes[row]]
        return found.tobytes().decode("utf-8")

    def texts(self) -> Iterator[str]:
        """All texts, one after another, in the order of the file."""
        return map(self.text, range(len(self)))

    @functools.cached_property
    def _text_starts(self) -> np.ndarray:
        return _starts(self.part.text_sizes)


@dataclasses.dataclass(frozen=True)
class Datasets:
    """What `make_datasets` returns.

    Attributes:
        train: the split that vocabulary, widths and labels come from.
        valid: for every choice.
        test: to be read once, at the end.
        vocabulary: words and ids.
        labels: names of the classes; numbers in their order, else sorted.
        unknown_rate: split -> share of its words not in the vocabulary.
        sources: what was read, see `corpus.Corpus`.
    """

    train: Split
    valid: Split
    test: Split
    vocabulary: Vocabulary
    labels: list[str]
    unknown_rate: dict[str, float]
    sources: list[dict]

    @functools.cached_property
    def repeated(self) -> int:
        """How many test texts have the very words of a training text."""
        digests = self.test.part.digests
        return int(np.isin(digests, self.train.part.digests).sum())

    def report(self) -> list[str]:
        """A few lines for the terminal."""
        lines = [self._about(split) for split in SPLITS]
        encoded = self.train.encoded
        share = batching.efficiency(encoded, self.train.batch_size, 0)
        lines.append(
            f"batches  {share:.1%} of the positions are words; "
            f"{len(encoded.widths)} widths, {encoded.widths[0]} to "
            f"{encoded.widths[-1]}"
        )
        if self.repeated:
            lines.append(f"note     {self.repeated:,} test texts are in train")
        for source in self.sources:
            for key, what in (
                ("empty", "texts without any word left out"),
                ("repaired", "bytes that are not UTF-8 replaced"),
            ):
                if source[key]:
                    lines.append(
                        f"note     {source['name']}: {source[key]:,} {what}"
                    )
        return lines

    def _about(self, name: str) -> str:
        split = getattr(self, name)
        counts = np.bincount(split.labels, minlength=len(self.labels))
        pairs = zip(self.labels, counts.tolist(), strict=True)
        classes = ", ".join(f"{label} {count:,}" for label, count in pairs)
        return (
            f"{name:8} {len(split):,} texts ({classes}), "
            f"{self.unknown_rate[name]:.1%} unknown words"
        )


def make_datasets(
    dataset: str,
    data_path: str | Path | None = None,
    *,
    cache_path: str | Path,
    batch_size: int,
    max_length: int,
    vocabulary_size: int,
    seed: int,
    minimum_count: int = 2,
    keep: str = "ends",
    widths: int = 16,
    drop_remainder: bool = True,
    download: bool = False,
    vocabulary: Vocabulary | None = None,
    labels: Sequence[str] | None = None,
) -> Datasets:
    """Reads, tokenizes and encodes a data set; the second time from a cache.

    Args:
        dataset: a name from `SOURCES`.
        data_path: for `files` the folder; for `demo` where it is written (by
            default in `cache_path`); for a public set TFDS's own folder.
        cache_path: folder of the caches.  It may be deleted at any time.
        batch_size: examples in a batch.
        max_length: longer texts are cropped.
        vocabulary_size: most words the vocabulary may have.
        seed: of the order of training, and of the cut of missing splits.
        minimum_count: words rarer in train are unknown.
        keep: what `text.crop` keeps, "ends" or "head".
        widths: how many different lengths batches may have.
        drop_remainder: whether training passes have full batches only.
        download: whether a public set may be downloaded.
        vocabulary: of an old run, instead of one from train.
        labels: of an old run, instead of those in train.

    Returns:
        The splits and what belongs to them.

    Raises:
        DataError: if the data are not as described; the message says where.
    """
    halves(max_length, keep)  # refuses wrong ones before anything is read
    cache_path = Path(cache_path)
    sources, stamp = SOURCES[dataset](data_path, cache_path, seed, download)
    found = _corpus(sources, stamp, cache_path, seed)
    labels = _labels(found, labels)
    if vocabulary is None:
        vocabulary = Vocabulary.build(
            found.counts("train"), vocabulary_size, minimum_count
        )
    encoded = _encode(found, vocabulary, labels, max_length, keep, widths)
    splits = {
        name: Split(
            encoded[name], found.parts[name], batch_size, seed, drop_remainder
        )
        for name in SPLITS
    }
    unknown = {name: _unknown_rate(split) for name, split in splits.items()}
    return Datasets(
        **splits,
        vocabulary=vocabulary,
        labels=labels,
        unknown_rate=unknown,
        sources=found.sources,
    )


def _corpus(
    sources: list[corpus.Source], stamp: list, cache_path: Path, seed: int
) -> corpus.Corpus:
    shares = [source.shares for source in sources]
    if all(len(share) == 1 for share in shares):
        seed = 0  # nothing is cut, so every seed has the same corpus
    name = cache.key(corpus.FORMAT, VERSION, stamp, shares, seed)
    folder = cache.folder(
        cache_path / name,
        lambda place: corpus.build(place, sources, SPLITS, seed),
    )
    found = corpus.Corpus.load(folder)
    for split in SPLITS:
        if not len(found.parts[split]):
            names = [s.name for s in sources if split in s.shares]
            raise DataError(
                f"{names[0]}: holds no text for {split}; more texts are "
                "needed, each with a word in it"
            )
    return found


def _labels(found: corpus.Corpus, given: Sequence[str] | None) -> list[str]:
    """Names of the classes; every label of every split must be among them."""
    if given is None:
        train = next(s for s in found.sources if "train" in s["splits"])
        labels = _sorted(train["first"])
        # Not of the file: a cut of very few texts can leave one class.
        classes = np.unique(found.parts["train"].labels)
        if len(classes) < 2:
            only = found.labels[classes[0]]
            raise DataError(
                f"{train['name']}: all texts for train have the label "
                f"{only!r}; expected at least two classes"
            )
    else:
        labels = list(given)
    known = set(labels)
    for source in found.sources:
        for label, line in source["first"].items():
            if label not in known:
                raise DataError(
                    f"{source['name']}:{line}: unknown label {label!r}; the "
                    f"labels known from training are {_listed(labels)}"
                )
    return labels


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:_MOST_SHOWN])
    more = len(labels) - _MOST_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def _sorted(labels: Sequence[str]) -> list[str]:
    try:
        return sorted(labels, key=lambda label: (int(label), label))
    except ValueError:
        return sorted(labels)


def _encode(
    found: corpus.Corpus,
    vocabulary: Vocabulary,
    labels: list[str],
    max_length: int,
    keep: str,
    count: int,
) -> dict[str, batching.Encoded]:
    mapping = found.mapping(vocabulary)
    place = {label: index for index, label in enumerate(labels)}
    classes = np.array([place.get(n, -1) for n in found.labels], np.int32)
    lengths = np.minimum(found.parts["train"].sizes, max_length)
    widths = buckets.boundaries(lengths, count)
    return {
        name: batching.Encoded(
            tokens=part.tokens,
            starts=_starts(part.sizes),
            sizes=np.array(part.sizes),
            labels=classes[part.labels],
            mapping=mapping,
            max_length=max_length,
            keep=keep,
            widths=widths,
        )
        for name, part in found.parts.items()
    }


def _starts(sizes: np.ndarray) -> np.ndarray:
    ends = np.cumsum(sizes, dtype=np.int64)
    return ends - sizes


def _unknown_rate(split: Split) -> float:
    counts = np.asarray(split.part.counts)
    unknown = split.encoded.mapping == UNKNOWN
    return float(counts[unknown].sum() / counts.sum())


def _files(
    data_path: str | Path | None, cache_path: Path, seed: int, download: bool
) -> tuple[list[corpus.Source], list]:
    """A folder of the user's."""
    if data_path is None:
        raise DataError("--data-path FOLDER is needed to read files")
    folder = Path(data_path)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    paths = {split: _find(folder, split) for split in SPLITS}
    if paths["train"] is None:
        raise DataError(
            f"{folder}: has no train file; expected train.csv, train.tsv or "
            "train.jsonl, or one of these with .gz"
        )
    missing = [split for split, path in paths.items() if path is None]
    sources = [
        corpus.Source(str(path), Records(path), _shares(split, missing))
        for split, path in paths.items()
        if path is not None
    ]
    return sources, [cache.stamp(path) for path in paths.values() if path]


def _find(folder: Path, split: str) -> Path | None:
    found = sorted(
        path
        for path in folder.iterdir()
        if suffix_of(path) in SUFFIXES and path.name.split(".")[0] == split
    )
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{folder}: holds {names}; expected one {split} file")
    return found[0] if found else None


def _shares(split: str, missing: Sequence[str]) -> dict[str, float]:
    if split != "train":
        return {split: 1.0}
    cut = dict.fromkeys(missing, _SHARE)
    return {"train": 1.0 - sum(cut.values()), **cut}


def _demo(
    data_path: str | Path | None, cache_path: Path, seed: int, download: bool
) -> tuple[list[corpus.Source], list]:
    """Reviews by our own grammar, the same ones for every seed."""
    folder = Path(data_path or cache_path / "demo" / "sentiment")
    demo.write(folder)
    return _files(folder, cache_path, seed, download)


def _public(
    name: str,
    texts: Sequence[str],
    data_path: str | Path | None,
    cache_path: Path,
    seed: int,
    download: bool,
) -> tuple[list[corpus.Source], list]:
    """A set of TFDS; its test split stays whole, valid is cut from train."""
    builder = public.prepared(name, data_path, download)
    sources = [
        corpus.Source(
            f"{name} ({split})",
            public.TextRecords(builder, split, texts, "label"),
            _shares(split, ["valid"]),
        )
        for split in ("train", "test")
    ]
    return sources, public.stamp(builder)


# Licences and counts (train, test) as published:
# imdb_reviews            25,000  25,000   2 classes, research use
# yelp_polarity_reviews  560,000  38,000   2 classes, Yelp's terms
# ag_news_subset         120,000   7,600   4 classes, non-commercial use
SOURCES = {
    "demo": _demo,
    "files": _files,
    "imdb_reviews": functools.partial(_public, "imdb_reviews", ("text",)),
    "yelp_polarity_reviews": functools.partial(
        _public, "yelp_polarity_reviews", ("text",)
    ),
    "ag_news_subset": functools.partial(
        _public, "ag_news_subset", ("title", "description")
    ),
}
