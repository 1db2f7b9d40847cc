r"""Texts and labels -> batches for sentiment, or any text classification.

Record    (text, label): two strings
Files     --data-path FOLDER with train.csv and, if you have them, valid.csv
          and test.csv; .tsv and .jsonl as well, gzipped or not.  Columns (or
          keys) `text` and `label`; labels are words or numbers, two or more.
          A missing split is cut from train: a tenth of it, chosen by a hash
          of the words, so equal texts stay on one side; each split gets a
          text if there are three different ones.
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
    data.examples                            # {"train": ..., "valid": ..., ...}
    print(*data.report(), sep="\n")

The vocabulary comes from train only.  To evaluate an old run on new data pass
its `vocabulary` and `labels`; then valid or test alone will do, and the splits
that are not there are empty.
"""

import functools
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from data_pipelines.batching import bucket_widths, by_length
from data_pipelines.files import cache, splits, tfds_records
from data_pipelines.files.errors import DataError
from data_pipelines.files.records import SUFFIXES, Records
from data_pipelines.files.splits import SPLITS
from data_pipelines.sentiment import corpus, corpus_builder
from data_pipelines.sentiment.corpus_builder import Source
from data_pipelines.sentiment.datasets import Datasets, Split
from data_pipelines.sentiment.demo import generator as demo
from data_pipelines.text.word_tokenizer import KEEP, VERSION, Vocabulary, halves

__all__ = ["KEEP", "SOURCES", "SPLITS", "Datasets", "Split", "make_datasets"]

# Labels named in one line.
_MOST_SHOWN = 20


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
        data_path: for `files` the folder; for a public set TFDS's own folder;
            not for `demo`, which is written below `cache_path`.
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
        labels: of an old run, instead of those in train.  With both given a
            folder needs no train file; the splits it has not are then empty.

    Returns:
        The splits and what belongs to them.

    Raises:
        DataError: if the data are not as described; the message says where.
    """
    halves(max_length, keep)  # refuses wrong ones before anything is read
    cache_path = Path(cache_path)
    training = vocabulary is None or labels is None
    sources, stamp = SOURCES[dataset](data_path, cache_path, download, training)
    found = _corpus(sources, stamp, cache_path, seed)
    labels = _labels(found, labels)
    if vocabulary is None:
        vocabulary = Vocabulary.build(
            found.counts("train"), vocabulary_size, minimum_count
        )
    encoded = _encode(found, vocabulary, labels, max_length, keep, widths)
    parts = {
        name: Split(
            encoded[name], found.parts[name], batch_size, seed, drop_remainder
        )
        for name in SPLITS
    }
    return Datasets(
        **parts, vocabulary=vocabulary, labels=labels, sources=found.sources
    )


def _corpus(
    sources: list[Source], stamp: list, cache_path: Path, seed: int
) -> corpus.Corpus:
    shares = [source.shares for source in sources]
    if all(len(share) == 1 for share in shares):
        seed = 0  # nothing is cut, so every seed has the same corpus
    name = cache.key(corpus.FORMAT, VERSION, stamp, shares, seed)
    folder = cache.folder(
        cache_path / name,
        lambda place: corpus_builder.build(place, sources, SPLITS, seed),
    )
    found = corpus.Corpus.load(folder)
    for source in sources:
        for split in source.shares:
            if not len(found.parts[split]):
                raise _too_few(source, split)
    return found


def _too_few(source: Source, split: str) -> DataError:
    """What to say of a source that leaves one of its splits empty."""
    if len(source.shares) == 1:
        return DataError(
            f"{source.name}: holds no text for {split}; more texts are "
            "needed, each with a word in it"
        )
    cut = [name for name in source.shares if name != "train"]
    return DataError(
        f"{source.name}: too few different texts to cut {' and '.join(cut)} "
        f"from; expected at least {len(source.shares)}, or "
        f"{' and '.join(f'a {name} file' for name in cut)}"
    )


def _labels(found: corpus.Corpus, given: Sequence[str] | None) -> list[str]:
    """Names of the classes; every label of every split must be among them."""
    if given is None:
        train = next(s for s in found.sources if "train" in s["splits"])
        labels = _sorted(train["first"])
        # Not of the file: a cut of very few texts can leave one class.
        classes = np.unique(found.parts["train"].labels)
        if len(classes) < 2:
            raise _one_class(train, found.labels[classes[0]])
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


def _one_class(train: dict, label: str) -> DataError:
    """What to say if train has one class, by itself or by the cut."""
    cut = " and ".join(split for split in train["splits"] if split != "train")
    if cut and len(train["first"]) > 1:
        return DataError(
            f"{train['name']}: after the cut of {cut} all texts for train "
            f"have the label {label!r}; more texts are needed"
        )
    return DataError(
        f"{train['name']}: all texts for train have the label {label!r}; "
        "expected at least two classes"
    )


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:_MOST_SHOWN])
    more = len(labels) - _MOST_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def _sorted(labels: Sequence[str]) -> list[str]:
    """Numbers in their order, if all are; else as strings."""
    try:
        numbers = {label: Decimal(label) for label in labels}
    except InvalidOperation:
        return sorted(labels)
    if not all(number.is_finite() for number in numbers.values()):
        return sorted(labels)
    return sorted(labels, key=lambda label: (numbers[label], label))


def _encode(
    found: corpus.Corpus,
    vocabulary: Vocabulary,
    labels: list[str],
    max_length: int,
    keep: str,
    count: int,
) -> dict[str, by_length.Encoded]:
    mapping = found.mapping(vocabulary)
    place = {label: index for index, label in enumerate(labels)}
    classes = np.array([place.get(n, -1) for n in found.labels], np.int32)
    known = found.parts["train"].sizes
    if not len(known):
        known = np.concatenate([p.sizes for p in found.parts.values()])
    widths = bucket_widths.boundaries(np.minimum(known, max_length), count)
    return {
        name: by_length.Encoded(
            tokens=part.tokens,
            starts=part.starts,
            sizes=np.array(part.sizes),
            labels=classes[part.labels],
            mapping=mapping,
            max_length=max_length,
            keep=keep,
            widths=widths,
        )
        for name, part in found.parts.items()
    }


def _files(
    data_path: str | Path | None,
    cache_path: Path,
    download: bool,
    training: bool,
) -> tuple[list[Source], list]:
    """A folder of the user's."""
    paths = splits.find(data_path, SUFFIXES, training)
    sources = [
        Source(str(path), Records(path), splits.shares(split, paths))
        for split, path in paths.items()
    ]
    return sources, [cache.stamp(path) for path in paths.values()]


def _demo(
    data_path: str | Path | None,
    cache_path: Path,
    download: bool,
    training: bool,
    small: bool = False,
) -> tuple[list[Source], list]:
    """Reviews by our own grammar, the same ones for every seed."""
    if data_path is not None:
        raise DataError(
            "demo: takes no --data-path FOLDER; to read your own files add "
            "--dataset files"
        )
    name = f"sentiment-{demo.VERSION}" + "-small" * small
    sizes = demo.SMALL_SIZES if small else demo.SIZES
    folder = cache.folder(
        cache_path / "demo" / name, functools.partial(demo.write, sizes=sizes)
    )
    return _files(folder, cache_path, download, training)


def _public(
    name: str,
    texts: Sequence[str],
    data_path: str | Path | None,
    cache_path: Path,
    download: bool,
    training: bool,
) -> tuple[list[Source], list]:
    """A set of TFDS; its test split stays whole, valid is cut from train."""
    builder = tfds_records.prepared(name, data_path, download)
    sources = [
        Source(
            f"{name} ({split})",
            tfds_records.TextRecords(builder, split, texts, "label"),
            splits.shares(split, ("train", "test")),
        )
        for split in ("train", "test")
    ]
    return sources, tfds_records.stamp(builder)


# Licences and counts (train, test) as published:
# imdb_reviews            25,000  25,000   2 classes, research use
# yelp_polarity_reviews  560,000  38,000   2 classes, Yelp's terms
# ag_news_subset         120,000   7,600   4 classes, non-commercial use
SOURCES = {
    "demo": _demo,
    "demo_small": functools.partial(_demo, small=True),
    "files": _files,
    "imdb_reviews": functools.partial(_public, "imdb_reviews", ("text",)),
    "yelp_polarity_reviews": functools.partial(
        _public, "yelp_polarity_reviews", ("text",)
    ),
    "ag_news_subset": functools.partial(
        _public, "ag_news_subset", ("title", "description")
    ),
}
