r"""A text -> its words in tiles, with their windows and negatives.

Record    a text, whose words a window does not leave: a line, a row of a table
Files     --data-path FOLDER with train.txt, a text a line; or train.csv, .tsv,
          .jsonl or .parquet with a column `text`; or one such file; gzipped or
          not. All of it is train. And, if you have them, pairs.tsv and
          questions.txt, see `test_sets`.
Batch     {"tokens", "left", "right", "blocks"}, see `datasets`

    data = make_datasets("files", "my-text", cache_path="data/cache", window=5,
                         negatives=32, seed=0)
    data.train.dataset(training=True, start_step=0)  # endless; fit needs
    data.train.steps_per_pass                        # steps_per_epoch
    data.vocabulary.save(path), data.train.counts, data.pairs, data.questions
    print(*data.report(), sep="\n")
"""

import functools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_pipelines.files import cache, splits, tfds_records
from data_pipelines.files.ahead import worked_ahead
from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import Lines, in_chunks
from data_pipelines.files.progress import progress_bar
from data_pipelines.files.ragged import RaggedArray, RaggedWriter
from data_pipelines.files.sources import Request
from data_pipelines.files.tables import SUFFIXES, Table, kind
from data_pipelines.files.tfds_records import TfdsRows
from data_pipelines.text import words
from data_pipelines.text.tokenizers import WHITE
from data_pipelines.text.words import SPECIALS, Vocabulary, WordCounter
from data_pipelines.word_vectors import test_sets
from data_pipelines.word_vectors.datasets import Datasets, Split
from data_pipelines.word_vectors.demo import generator as demo

# What a word is: as `text.words` cuts texts, or what stands between white space
# where they have been cut already; both in small letters.
KINDS = ("words", "spaces")

# Other names that the column of texts often has.
COLUMNS = (
    *("review", "sentence", "content", "comment", "message", "tweet"),
    *("document", "body", "description", "utterance"),
)

# Part of the key of every cache.
FORMAT = 1

# A chunk of texts ends at whichever comes first.
_CHUNK_TEXTS, _CHUNK_LETTERS = 4096, 2**21


class Source(NamedTuple):
    """A file, or the like.

    Attributes:
        name: What messages call it.
        texts: Its texts, once.
        notes: Function to remarks on how it was read.
        folder: Where pairs and questions may be.
    """

    name: str
    texts: Iterable[str]
    notes: Callable[[], list[str]]
    folder: Path | None = None


def make_datasets(
    dataset: str,
    data_path: str | Path | None = None,
    *,
    cache_path: str | Path,
    tokens: str = "words",
    vocabulary_size: int = 100_000,
    minimum_count: int = 5,
    window: int,
    negatives: int,
    subsample: float = 1e-3,
    seed: int,
    download: bool = False,
    encoding: str = "",
    text_column: str = "",
    pairs: str | Path = "",
    questions: str | Path = "",
) -> Datasets:
    """Read and count the words of a text; the second time from a cache.

    Args:
        dataset: A name from `SOURCES`.
        data_path: For `files` the folder, or one file; for a public set TFDS's
            own folder; not for `demo`, which is written below `cache_path`.
        cache_path: Folder of the caches. It may be deleted at any time.
        tokens: What a word is, one of `KINDS`.
        vocabulary_size: Most words.
        minimum_count: Rarer words have no vector.
        window: Words on either side that a window has at most.
        negatives: Negatives that the words of a tile share.
        subsample: See `Split`.
        seed: Of the order, and of what is drawn.
        download: Whether a public set may be downloaded.
        encoding: Of the files; empty: UTF-8, or as their marks say.
        text_column: What the column of texts is called; empty: as usual.
        pairs: File of pairs; empty: pairs.tsv beside the text, if it is there.
        questions: File of questions; empty: questions.txt there.

    Returns:
        The text and what belongs to it.

    Raises:
        DataError: If the data are not as described; the message says where.
    """
    cache_path = Path(cache_path)
    columns = {"text": text_column}
    request = Request(data_path, cache_path, download, True, encoding, columns)
    source, fingerprint = SOURCES[dataset](request)
    # Before hours are spent on the text.
    tests = {
        "pairs": _read_test(source, pairs, "pairs.tsv", test_sets.read_pairs),
        "questions": _read_test(
            source, questions, "questions.txt", test_sets.read_questions
        ),
    }
    key = cache.key(FORMAT, words.VERSION, fingerprint, tokens)
    folder = cache.folder(
        cache_path / f"{key}-words",
        lambda folder: _build(folder, source, tokens),
    )
    about = json.loads((folder / "about.json").read_text("utf-8"))
    names, numbers = WordCounter.load(folder)
    counts = np.load(folder / "counts.npy")
    vocabulary = Vocabulary.build(
        dict(zip(names, counts[numbers].tolist(), strict=True)),
        vocabulary_size + len(SPECIALS),
        minimum_count,
    )
    _check(source, vocabulary, minimum_count)
    word_ids = np.full(len(counts), words.UNKNOWN, np.int32)
    word_ids[numbers] = vocabulary.ids(names)
    id_counts = np.bincount(word_ids, counts, len(vocabulary)).astype(np.int64)
    id_counts[: len(SPECIALS)] = 0
    settings = (window, negatives, subsample, seed)
    texts = RaggedArray.load(folder / "texts")
    none = RaggedArray.of(*np.zeros((2, 0), np.int32))
    return Datasets(
        Split(texts, word_ids, id_counts, *settings),
        *[Split(none, word_ids, id_counts, *settings)] * 2,
        vocabulary=vocabulary,
        notes=about["notes"],
        **tests,
    )


def _read_test(
    source: Source, path: str | Path, usual: str, read: Callable[..., list]
) -> list:
    """Return what a file holds: the one given, or the usual one if it exists.

    Args:
        source: The text that the usual one is beside.
        path: The file of the user's, or empty.
        usual: Name of the usual one.
        read: Takes a path to what it holds.
    """
    if path:
        return read(path)
    beside = source.folder and source.folder / usual
    return read(beside) if beside and beside.exists() else []


def _check(source: Source, vocabulary: Vocabulary, minimum_count: int) -> None:
    known = len(vocabulary) - len(SPECIALS)
    if known < 2:
        rare = f" that occurs {minimum_count:,} times" * (minimum_count > 1)
        smaller = ", or a smaller --minimum-count" * (minimum_count > 1)
        raise DataError(
            f"{source.name}: has {known or 'no'} word{rare}; expected two or"
            f" more: give more text{smaller}"
        )


def _build(folder: Path, source: Source, tokens: str) -> None:
    """Write the words of all texts by number, and which words these are."""
    counter = WordCounter()
    chunks = in_chunks(source.texts, _CHUNK_TEXTS, _CHUNK_LETTERS)
    analyzed = worked_ahead(_analyzed(tokens), map(tf.constant, chunks))
    with (
        RaggedWriter(folder / "texts", np.int32) as writer,
        progress_bar(f"reading {source.name}", "texts") as bar,
    ):
        for _, results in analyzed:
            different, index, lengths = (part.numpy() for part in results)
            counts = np.bincount(index, minlength=len(different))
            numbers = counter.add(different.tolist(), counts)
            writer.append(numbers[index], lengths[lengths > 0])
            bar.update(len(lengths))
    if not counter.size:
        raise DataError(f"{source.name}: has no word")
    counter.save(folder)
    np.save(folder / "counts.npy", counter.counts)
    about = json.dumps({"notes": source.notes()}, ensure_ascii=False)
    (folder / "about.json").write_text(about, "utf-8")


def _analyzed(tokens: str) -> Callable:
    """Return a function of texts to their words, each once, and the index."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def analyze(texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        if tokens == "words":
            cut = words.tokenize(texts)
        else:
            texts = tf.strings.unicode_transcode(
                texts, "UTF-8", "UTF-8", errors="replace"
            )
            texts = tf.strings.lower(texts, encoding="utf-8")
            cut = tf.strings.split(
                tf.strings.regex_replace(texts, f"{WHITE}+", " ")
            )
        different, index = tf.unique(cut.flat_values)
        return different, index, cut.row_lengths()

    return analyze


def _files(request: Request) -> tuple[Source, list]:
    """Find a folder, or a file, of the user's."""
    path = splits.find(request.data_path, [".txt", *SUFFIXES])["train"]
    fingerprint = [cache.file_fingerprint(path), request.encoding]
    if kind(path):
        table = Table(
            path,
            ("text",),
            encoding=request.encoding,
            names=request.columns,
            also={"text": COLUMNS},
        )
        texts = (row["text"] for row in table)
        source = Source(str(path), texts, table.notes, path.parent)
        return source, [*fingerprint, request.columns]
    lines = Lines(path, request.encoding, parts=True)
    return Source(str(path), lines, lines.notes, path.parent), fingerprint


def _demo(request: Request, small: bool = False) -> tuple[Source, list]:
    """Write sentences of our own."""
    return _files(request.demo("word_vectors", demo, small))


def _public(name: str, request: Request) -> tuple[Source, list]:
    """Take the training texts of a set of TFDS."""
    builder = tfds_records.prepared(name, request.data_path, request.download)
    rows = TfdsRows(builder, "train", {"text": ("text",)})
    fingerprint = tfds_records.builder_fingerprint(builder)
    texts = (row["text"] for row in rows)
    return Source(rows.name, texts, rows.notes), fingerprint


# Sizes and licences as published:
# lm1b         a billion words, shuffled sentences   Apache-2.0
# wiki40b/en   2.9 million pages                     CC BY-SA 3.0
SOURCES = {
    "demo": _demo,
    "demo_small": functools.partial(_demo, small=True),
    "files": _files,
    "lm1b": functools.partial(_public, "lm1b"),
    "wiki40b/en": functools.partial(_public, "wiki40b/en"),
}
