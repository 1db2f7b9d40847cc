r"""Texts and labels -> batches for sentiment, or any text classification.

Record    (text, label): two strings
Files     --data-path FOLDER with train.csv and, if you have them, valid.csv
          and test.csv; .tsv, .jsonl and .parquet as well, gzipped or not; or
          one such file. Columns (or keys) `text` and `label`, or as `COLUMNS`
          and the user say; labels are words or numbers, two or more.
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
    data.test.labels[i], data.test.texts[i], len(data.test)
    data.vocabulary.save(path), data.labels, data.test.unknown_rate
    data.examples                            # {"train": ..., "valid": ..., ...}
    print(*data.report(), sep="\n")
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data_pipelines.batching.bucket_widths import boundaries
from data_pipelines.batching.passes import ByLength
from data_pipelines.files import cache, splits, tfds_records
from data_pipelines.files.sources import Request, Source
from data_pipelines.files.tables import SUFFIXES, Table
from data_pipelines.files.tfds_records import TfdsRows
from data_pipelines.sentiment import corpus
from data_pipelines.sentiment.corpus import Corpus, LabelledTexts
from data_pipelines.sentiment.datasets import Datasets, Split
from data_pipelines.sentiment.demo import generator as demo
from data_pipelines.text.words import VERSION, Vocabulary, crop_lengths

# Other names that the columns of such tables often have.
COLUMNS = {
    "text": (
        *("review", "sentence", "content", "comment", "message", "tweet"),
        *("document", "body", "description", "utterance"),
    ),
    "label": (
        *("labels", "sentiment", "class", "category", "target", "rating"),
        *("stars", "topic", "intent", "emotion", "polarity"),
    ),
}

# Different lengths of batches.
WIDTHS = 16


def make_datasets(
    dataset: str,
    data_path: str | Path | None = None,
    *,
    cache_path: str | Path,
    batch_size: int,
    max_length: int,
    tokens: str = "words",
    vocabulary_size: int,
    seed: int,
    minimum_count: int = 2,
    keep: str = "ends",
    widths: int = WIDTHS,
    drop_remainder: bool = True,
    download: bool = False,
    vocabulary: Vocabulary | None = None,
    labels: Sequence[str] | None = None,
    adapt: Callable[..., tuple] | None = None,
    encoding: str = "",
    text_column: str = "",
    label_column: str = "",
    whole: bool = False,
) -> Datasets:
    """Read, tokenize and encode a data set; the second time from a cache.

    Args:
        dataset: A name from `SOURCES`.
        data_path: For `files` the folder, or one file; for a public set TFDS's
            own folder; not for `demo`, which is written below `cache_path`.
        cache_path: Folder of the caches. It may be deleted at any time.
        batch_size: Examples in a batch.
        max_length: Longer texts are cropped.
        tokens: What a text is cut into, one of `words.KINDS`: below, "words"
            are such tokens.
        vocabulary_size: Most words the vocabulary, which is that of train, may
            have.
        seed: Of the order of training, and of the cut of missing splits.
        minimum_count: Words rarer in train are unknown.
        keep: What `words.crop` leaves, "ends" or "head".
        widths: How many different lengths batches may have.
        drop_remainder: Whether training passes have full batches only.
        download: Whether a public set may be downloaded.
        vocabulary: Of an old run, instead of one from train.
        labels: Of an old run, instead of those in train. With both given a
            folder needs no train file; the splits it has not are then empty.
        adapt: Where training goes on from another run: function of the
            vocabulary of train to the one that is used, a tuple of one.
        encoding: Of the files; empty: UTF-8, or as their marks say.
        text_column: What the column of texts is called; empty: as usual.
        label_column: What the column of labels is called; empty: as usual.
        whole: Whether one file is all test, and not cut into splits.

    Returns:
        The splits and what belongs to them.

    Raises:
        DataError: If the data are not as described; the message says where.
    """
    # Wrong ones are refused before anything is read.
    ends = crop_lengths(max_length, keep)
    cache_path = Path(cache_path)
    training = vocabulary is None or labels is None
    columns = {"text": text_column, "label": label_column}
    request = Request(
        data_path, cache_path, download, training, encoding, columns, whole
    )
    sources, fingerprint = SOURCES[dataset](request)
    more = [] if tokens == "words" else [tokens]
    key = cache.key(corpus.FORMAT, VERSION, fingerprint, *more)
    texts = Corpus.load(
        cache.folder(
            cache_path / key,
            lambda folder: corpus.build(folder, sources, tokens),
        )
    )
    parts = texts.split(sources, seed)
    if labels is None:
        source = next(s for s in sources if "train" in s.shares)
        labels = texts.class_names(parts["train"], source)
    classes = texts.classes(labels)
    if vocabulary is None:
        vocabulary = Vocabulary.build(
            texts.counts(parts["train"]),
            vocabulary_size,
            minimum_count,
            tokens,
        )
        if adapt:
            (vocabulary,) = adapt(vocabulary)
    word_ids = texts.ids(vocabulary)
    planners = _planners(parts, max_length, widths, batch_size, drop_remainder)
    return Datasets(
        **{
            name: Split(
                part,
                classes[part.labels],
                word_ids,
                ends,
                planners[name],
                seed,
            )
            for name, part in parts.items()
        },
        vocabulary=vocabulary,
        labels=list(labels),
        sources=texts.sources,
    )


def _planners(
    parts: dict[str, LabelledTexts],
    max_length: int,
    widths: int,
    batch_size: int,
    drop_remainder: bool,
) -> dict[str, ByLength]:
    """Return the batches of each split; train chooses the widths."""
    lengths = {
        name: np.minimum(part.words.lengths, max_length)
        for name, part in parts.items()
    }
    known = lengths["train"]
    if not len(known):
        known = np.concatenate([*lengths.values()])
    chosen = boundaries(known, widths)
    # Other splits may have longer texts.
    more = np.union1d(chosen, max_length)
    return {
        name: ByLength(
            lengths[name],
            chosen if name == "train" else more,
            batch_size,
            drop_remainder,
        )
        for name in parts
    }


def _files(request: Request) -> tuple[list[Source], list]:
    """Find a folder of the user's."""
    paths = splits.find(
        request.data_path, SUFFIXES, request.training, request.whole
    )
    sources = [
        Source(
            str(path),
            Table(
                path,
                ("text", "label"),
                encoding=request.encoding,
                names=request.columns,
                also=COLUMNS,
            ),
            splits.shares(split, paths),
        )
        for split, path in paths.items()
    ]
    files = list(map(cache.file_fingerprint, paths.values()))
    return sources, [files, request.encoding, request.columns]


def _demo(request: Request, small: bool = False) -> tuple[list[Source], list]:
    """Write reviews by our own grammar."""
    return _files(request.demo("sentiment", demo, small))


def _public(
    name: str, texts: Sequence[str], request: Request
) -> tuple[list[Source], list]:
    """Take a set of TFDS with its test split; valid is cut from train."""
    builder = tfds_records.prepared(name, request.data_path, request.download)
    columns = {"text": texts, "label": ("label",)}
    sources = [
        Source(
            f"{name} ({split})",
            TfdsRows(builder, split, columns),
            splits.shares(split, ("train", "test")),
        )
        for split in ("train", "test")
    ]
    return sources, tfds_records.builder_fingerprint(builder)


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
