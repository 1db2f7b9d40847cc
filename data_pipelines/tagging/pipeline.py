r"""Sentences with a label for every word -> batches for tagging and parsing.

Record    words, their tags, perhaps an intent; in a parse heads and relations
Files     --data-path FOLDER with train.txt (.conll, .tsv, .iob, .bio ...),
          train.conllu or train.jsonl and, if you have them, valid and test; or
          one such file; see `reading`. train.intents, if it is there, has the
          intent of each sentence, one a line. A missing split is cut from
          train: a tenth of its documents, or, if there is but one, of its
          sentences, chosen by a hash.
Batch     ((words, shapes, characters), tags), int32; see `datasets`

    data = make_datasets("files", "my-slots", cache_path="data/cache",
                         task="tag", batch_size=32, seed=0)
    data.train.dataset(training=True, start_step=0)  # endless; fit needs
    data.train.steps_per_pass                        # steps_per_epoch
    data.test.sentences[i].words, data.test.sentences[i].tags
    data.labels, data.intents, data.features
    print(*data.report(), sep="\n")
"""

import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipelines.batching.bucket_widths import boundaries
from data_pipelines.batching.passes import ByLength
from data_pipelines.files import splits
from data_pipelines.files.errors import DataError
from data_pipelines.files.sources import Request
from data_pipelines.files.splits import SPLITS
from data_pipelines.tagging import features, reading, schemes
from data_pipelines.tagging.datasets import Column, Datasets, Forms, Split
from data_pipelines.tagging.demo import generator as demo
from data_pipelines.tagging.features import Features
from data_pipelines.tagging.reading import (
    NO_TAG,
    SUFFIXES,
    Sentence,
    Sentences,
)

TASKS = ("tag", "parse")

# Widths that batches have at the most.
WIDTHS = 16

_MOST_LABELS = 10_000

# Characters of a word that is worth a note.
_LONG_WORD = 1000


class Known(NamedTuple):
    """What an old run knows.

    Attributes:
        features: Vocabularies of words and characters.
        labels: Tags or relations.
        intents: Intents; empty if there are none.
        pos: Parts of speech, of a parse; empty if there are none.
    """

    features: Features
    labels: list[str]
    intents: list[str]
    pos: list[str]


class _Read(NamedTuple):
    """What is read of the files: split -> sentences, and notes."""

    sentences: dict[str, list[Sentence]]
    scheme: str
    notes: list[str]


def make_datasets(
    dataset: str,
    data_path: str | Path | None = None,
    *,
    cache_path: str | Path,
    task: str = "tag",
    batch_size: int,
    seed: int,
    columns: str = "",
    column_features: Sequence[str] = (),
    scheme: str = "",
    intent_separator: str = "",
    model_scheme: str = "iob2",
    max_length: int = 250,
    vocabulary_size: int = 100_000,
    max_characters: int = 20,
    widths: int = WIDTHS,
    equal_characters: bool = False,
    encoding: str = "",
    known: Known | None = None,
    adapt: Callable[..., tuple] | None = None,
    whole: bool = False,
) -> Datasets:
    """Read and encode a data set; all of it is in memory.

    Args:
        dataset: A name from `SOURCES`.
        data_path: For `files` the folder, or one file; not for `demo`.
        cache_path: Folder of the demo's files.
        task: One of `TASKS`.
        batch_size: Sentences in a batch.
        seed: Of the order of training, and of the cut of missing splits.
        columns: Names of the columns, see `Sentences`.
        column_features: Those of them that the model reads beside the words.
        scheme: Of the labels in the files; empty: as they look.
        intent_separator: What stands between several intents of a sentence: the
            model learns the first one; empty: each has one.
        model_scheme: What labels of spans become, `iob2` or `iobes`.
        max_length: Longer sentences of train are left out of training.
        vocabulary_size: Most words the vocabulary may have.
        max_characters: Longer words are read at both ends.
        widths: How many different lengths batches may have.
        equal_characters: Whether all batches have room for equally many
            characters of a word, and not for those of their longest.
        encoding: Of the files; empty: UTF-8, or as their marks say.
        known: What an old run knows, instead of what train has. A folder then
            needs no train file; the splits it has not are empty.
        adapt: Where training goes on from another run: function of the
            vocabularies of train, of words, characters and further columns,
            to those that are used.
        whole: Whether one file is all test, and not cut into splits.

    Raises:
        DataError: If the data are not as described; the message says where.
    """
    request = Request(
        data_path, Path(cache_path), False, known is None, encoding, {}, whole
    )
    read = SOURCES[dataset](
        request, task, columns, scheme, seed, column_features
    )
    sentences, notes = read.sentences, list(read.notes)
    for part in sentences.values():
        for sentence in part if task == "tag" else ():
            tags = schemes.convert(sentence.tags, read.scheme, model_scheme)
            sentence.tags = tags
            parts = [sentence.intent]
            if intent_separator:
                parts = sentence.intent.split(intent_separator)
            sentence.intents = tuple(filter(None, map(str.strip, parts)))
            sentence.intent = (*sentence.intents, "")[0]
    train = [s for s in sentences["train"] if len(s.words) <= max_length]
    if long := [s for s in sentences["train"] if len(s.words) > max_length]:
        notes.append(
            f"{long[0].where()}: has {len(long[0].words):,} words; {len(long)} "
            f"sentences of more than {max_length} are left out of train"
        )
    if known is None and not train:
        raise DataError(
            f"{long[0].where()}: has {len(long[0].words):,} words, and no "
            f"sentence has {max_length} or fewer; expected --max-length "
            f"{max(len(s.words) for s in long)}"
        )
    sentences["train"] = train
    notes += _long_words(sentences)
    counts = Counter(word for s in train for word in s.words)
    of_columns = {
        name: Counter(value for s in train for value in s.columns[name])
        for name in column_features
    }
    if known is None:
        own = features.build(
            counts, vocabulary_size, max_characters, of_columns
        )
        if adapt:
            own = own.adapted(adapt)
        known = Known(
            own,
            _labels(train),
            sorted({s.intent for s in train if task == "tag"} - {""}),
            _pos(sentences)
            if task == "parse" and "tag" not in column_features
            else [],
        )
    words = [w for part in sentences.values() for s in part for w in s.words]
    forms = Forms.of(words, known.features, counts, equal_characters)
    planners = _planners(sentences, widths, batch_size)
    return Datasets(
        **{
            name: Split(
                sentences[name],
                {label: n for n, label in enumerate(known.labels)},
                {intent: n for n, intent in enumerate(known.intents)},
                {pos: n for n, pos in enumerate(known.pos)},
                [
                    Column.of(name, vocabulary, of_columns[name])
                    for name, vocabulary in known.features.columns.items()
                ],
                forms,
                planners[name],
                seed,
            )
            for name in SPLITS
        },
        features=known.features,
        labels=known.labels,
        intents=known.intents,
        pos=known.pos,
        scheme=read.scheme,
        notes=notes,
    )


def _long_words(sentences: dict[str, list[Sentence]]) -> list[str]:
    """Return a note on the first of very long words, if there are any."""
    places = [
        (sentence.where(place), len(word))
        for part in sentences.values()
        for sentence in part
        for place, word in enumerate(sentence.words)
        if len(word) > _LONG_WORD
    ]
    if not places:
        return []
    where, length = places[0]
    return [
        f"{where}: has a word of {length:,} characters; {len(places):,} words "
        f"of more than {_LONG_WORD:,} are read at both ends"
    ]


def _labels(train: list[Sentence]) -> list[str]:
    """Return the labels of train, O first, refusing a single one."""
    labels = sorted({tag for s in train for tag in s.tags})
    if len(labels) < 2 and not train[0].heads:
        raise DataError(
            f"{train[0].where()}: all words have the label {labels[0]!r}; "
            "expected at least two"
        )
    if len(labels) > _MOST_LABELS:
        raise DataError(
            f"{train[0].path}: has {len(labels):,} different labels; expected "
            f"at most {_MOST_LABELS:,}"
        )
    return sorted(labels, key=lambda label: (label != schemes.OUTSIDE, label))


def _pos(sentences: dict[str, list[Sentence]]) -> list[str]:
    """Return the parts of speech of train, if all splits have such."""
    if not all("tag" in s.columns for part in sentences.values() for s in part):
        return []
    tags = {tag for s in sentences["train"] for tag in s.columns["tag"]}
    return sorted(tags - {NO_TAG}) if len(tags - {NO_TAG}) > 1 else []


def _planners(
    sentences: dict[str, list[Sentence]], widths: int, batch_size: int
) -> dict[str, ByLength]:
    """Return the batches of each split; train chooses the widths."""
    lengths = {
        name: np.array([len(s.words) for s in part], np.int64)
        for name, part in sentences.items()
    }
    every = np.concatenate([*lengths.values()])
    known = lengths["train"] if len(lengths["train"]) else every
    chosen = boundaries(known, widths)
    # Other splits may have longer sentences.
    more = np.union1d(chosen, every.max())
    return {
        name: ByLength(
            lengths[name],
            chosen if name == "train" else more,
            batch_size,
            # A sentence of thousands of words has millions of possible heads.
            positions=batch_size * int(chosen[-1]),
        )
        for name in SPLITS
    }


def _files(
    request: Request,
    task: str,
    columns: str,
    scheme: str,
    seed: int,
    column_features: Sequence[str],
) -> _Read:
    """Read a folder of the user's."""
    paths = splits.find(
        request.data_path, SUFFIXES, request.training, request.whole
    )
    intents = {}
    if Path(request.data_path).is_dir():
        intents = {
            split: endings["intents"]
            for split, endings in splits.scan(Path(request.data_path)).items()
            if "intents" in endings
        }
    parts: dict[str, list[Sentence]] = {split: [] for split in SPLITS}
    notes: list[str] = []
    for split, path in paths.items():
        source = Sentences(
            path,
            reading.NEEDED[task],
            columns,
            request.encoding,
            more=column_features,
            optional=("tag",) if task == "parse" else (),
        )
        read = list(source)
        notes += source.notes()
        if split in intents:
            lines = reading.read_intents(intents[split], read, request.encoding)
            notes += lines.notes()
        _check_intents(read, path)
        real = [sentence for sentence in read if sentence.words]
        if empty := [sentence for sentence in read if not sentence.words]:
            notes.append(
                f"{empty[0].where()}: has no words; {len(empty):,} empty "
                "sentences are left out"
            )
        if not real:
            raise DataError(f"{path}: has no sentences")
        shares = splits.shares(split, paths)
        for name, rows in _cut(real, shares, seed, path).items():
            parts[name] = [real[row] for row in rows]
    if task == "parse":
        scheme = "plain"
    elif not scheme:
        first = next(part for part in parts.values() if part)
        scheme = schemes.detect(first)
    for sentence in (s for part in parts.values() for s in part):
        if error := schemes.broken(sentence.tags, scheme):
            place, message = error
            raise DataError(f"{sentence.where(place)}: {message}")
    return _Read(parts, scheme, notes)


def _check_intents(sentences: list[Sentence], path: Path) -> None:
    """Refuse intents that some sentences have and others have not."""
    without = [s for s in sentences if s.words and not s.intent]
    if without and len(without) < sum(bool(s.words) for s in sentences):
        raise DataError(
            f"{without[0].where()}: this sentence has no intent, others have; "
            "expected one for each"
        )


def _cut(
    sentences: list[Sentence], shares: dict[str, float], seed: int, path: Path
) -> dict[str, np.ndarray]:
    """Cut by documents, or by sentences if there are but a few of them."""
    documents = {sentence.document for sentence in sentences}
    by_document = len(documents) > 2 * len(shares)
    digests = [
        hashlib.blake2b(
            (
                str(sentence.document)
                if by_document
                else "\n".join(sentence.words)
            ).encode("utf-8", "replace"),
            digest_size=8,
        ).digest()
        for sentence in sentences
    ]
    digests = np.frombuffer(b"".join(digests), np.int64)
    what = "documents" if by_document else "sentences"
    return splits.by_hash(digests, shares, seed, str(path), what)


def _demo(
    request: Request,
    task: str,
    columns: str,
    scheme: str,
    seed: int,
    column_features: Sequence[str],
    small: bool = False,
) -> _Read:
    """Write requests by our own grammar."""
    request = request.demo("tagging", demo, small)
    return _files(request, task, demo.COLUMNS, "", seed, column_features)


SOURCES = {
    "demo": _demo,
    "demo_small": functools.partial(_demo, small=True),
    "files": _files,
}
