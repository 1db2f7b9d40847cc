r"""A text -> strips of tokens; a row goes on where that of the last batch ends.

Record    a line of text
Files     --data-path FOLDER with train.txt and, if you have them, valid.txt and
          test.txt, gzipped or not; or one such file. Text is a stream: what is
          missing is cut from train by position, the last tenth for test, the
          tenth before it for valid.
Batch     ({"tokens", "begins"}, targets): int32 `(B, K)`, the tokens that are
          read; bool `(B,)`, true where a row does not go on from the batch
          before; int32 `(B, K)`, the tokens that follow; padding is 0

    data = make_datasets("files", "my-text", cache_path="data/cache",
                         vocabulary_size=10_000, batch_size=32, chunk=64,
                         seed=0)
    data.train.dataset(training=True, start_step=0)  # endless; fit needs
    data.train.steps_per_pass                        # steps_per_epoch
    data.valid.planned(rows=1, chunk=256).once()     # the whole split in order
    data.tokenizer.decode(ids), data.test.about, len(data.test)
    print(*data.report(), sep="\n")
"""

import contextlib
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from data_pipelines.files import cache, splits, tfds_records
from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import Lines, in_chunks
from data_pipelines.files.progress import progress_bar
from data_pipelines.files.ragged import RaggedArray, RaggedWriter
from data_pipelines.files.sources import Request, Source
from data_pipelines.files.splits import SPLITS
from data_pipelines.files.tfds_records import TfdsRows
from data_pipelines.language_model.datasets import Datasets, Split
from data_pipelines.language_model.demo import generator as demo
from data_pipelines.language_model.tokens import VERSION, StreamTokenizer

UNITS = ("stream", "sentences")

# Part of the key of every cache of tokens.
FORMAT = 1

# Lines, or letters, that are encoded at a time.
_CHUNK_LINES, _CHUNK_LETTERS = 20_000, 2**22

# Letters of a line with --unit sentences: more would fit into no batch.
_LONGEST_SENTENCE = 2**20

_WHITE = re.compile(r"\s")


class Text(Source):
    """A source whose rows are lines, each with its end."""

    def read(self, action: str) -> Iterable[str]:
        """Return the lines; a progress line says what is done with them."""
        return progress_bar(f"{action} {self.name}", "lines", self.rows)

    @functools.cached_property
    def ends(self) -> dict[str, int]:
        """Split -> letters of the text up to its end; not of the last one."""
        *cut, _ = self.shares
        if not cut:
            return {}
        total = sum(map(len, self.read("measuring")))
        bounds = np.cumsum([self.shares[split] for split in cut]) * total
        return dict(zip(cut, bounds.round().astype(int).tolist(), strict=True))


def make_datasets(
    dataset: str,
    data_path: str | Path | None = None,
    *,
    cache_path: str | Path,
    tokens: str = "words",
    unit: str = "stream",
    vocabulary_size: int,
    minimum_count: int = 1,
    batch_size: int,
    chunk: int,
    seed: int,
    download: bool = False,
    tokenizer: StreamTokenizer | None = None,
    adapt: Callable[..., tuple] | None = None,
    encoding: str = "",
    whole: bool = False,
) -> Datasets:
    """Read and encode a text; the second time from a cache.

    Args:
        dataset: A name from `SOURCES`.
        data_path: For `files` the folder, or one file; for a public set TFDS's
            own folder; not for `demo`, which is written below `cache_path`.
        cache_path: Folder of the caches. It may be deleted at any time.
        tokens: What a line is cut into, one of `tokenizers.KINDS`.
        unit: Whether a file is one `stream`, or its lines are `sentences` that
            do not know of each other.
        vocabulary_size: Most pieces that the vocabulary, which is that of
            train, may have, the special ones not counted.
        minimum_count: Words or characters rarer in train are unknown.
        batch_size: Rows of a batch.
        chunk: Tokens of a row in a batch of a stream.
        seed: Of the order of training.
        download: Whether a public set may be downloaded.
        tokenizer: Of an old run instead of a new one. A folder needs no train
            file then; `tokens`, `vocabulary_size` and `minimum_count` are
            without effect.
        adapt: Where training goes on from another run: function of the
            vocabulary of train to the one that is used, a tuple of one.
        encoding: Of the files; empty: UTF-8, or as their marks say.
        whole: Whether one file is all test, and not cut into splits.

    Returns:
        The splits and what belongs to them.

    Raises:
        DataError: If the data are not as described; the message says where.
    """
    if unit not in UNITS:
        raise ValueError(f"unit must be one of {UNITS}, not {unit!r}")
    cache_path = Path(cache_path)
    request = Request(
        data_path, cache_path, download, tokenizer is None, encoding, {}, whole
    )
    sources, fingerprint = SOURCES[dataset](request)
    kind = tokens if tokenizer is None else tokenizer.kind
    # Where a stream is cut depends on what it is cut into.
    key = cache.key(FORMAT, VERSION, fingerprint, unit, kind)
    if tokenizer is None:
        settings = (vocabulary_size, minimum_count)
        tokenizer = _learned(
            cache_path / f"{key}-pieces-{cache.key(*settings)}",
            _of_train(sources, unit, kind),
            kind,
            *settings,
        )
        if adapt:
            (tokenizer,) = adapt(tokenizer)
    folder = cache.folder(
        cache_path / f"{key}-ids-{cache.key(tokenizer.pieces)}",
        lambda folder: _encode(folder, sources, unit, tokenizer),
    )
    about = json.loads((folder / "about.json").read_text())
    parts = {
        split: Split(
            RaggedArray.load(folder / split),
            about[split],
            unit == "sentences",
            batch_size,
            chunk,
            seed,
        )
        for split in SPLITS
    }
    _check(parts, request)
    return Datasets(**parts, tokenizer=tokenizer, notes=about["notes"])


def _check(parts: Mapping[str, Split], request: Request) -> None:
    """Refuse splits that are too short for what they are for."""
    if not request.training:
        return
    for name, split in parts.items():
        if not len(split):
            raise DataError(
                f"{request.data_path}: {name} has no token; expected a longer "
                f"train, or your own {name}.txt"
            )
    train = parts["train"]
    needed = train.batch_size * (1 if train.sentences else train.chunk)
    tokens = len(train.lengths) if train.sentences else len(train)
    if tokens < needed:
        what = "sentences" if train.sentences else "tokens"
        width = "" if train.sentences else f" of {train.chunk} tokens"
        raise DataError(
            f"{request.data_path}: train has {tokens:,} {what}, fewer than one "
            f"batch of {train.batch_size:,} rows{width}, which are {needed:,}; "
            "give more text, a smaller --batch-size"
            + (" or a smaller --chunk" if width else "")
        )


def _learned(
    path: Path, lines: Iterable[str], kind: str, size: int, minimum_count: int
) -> StreamTokenizer:
    """Return the vocabulary of lines from a cache."""

    def build(folder: Path) -> None:
        texts = (line.rstrip("\r\n") for line in lines)
        tokenizer = StreamTokenizer.learn(texts, kind, size, minimum_count)
        tokenizer.save(folder / "vocabulary.txt")

    folder = cache.folder(path, build)
    return StreamTokenizer.load(folder / "vocabulary.txt", kind)


def _of_train(sources: Sequence[Text], unit: str, kind: str) -> Iterator[str]:
    """Yield the lines of train, which come first in their source."""
    own = [source for source in sources if "train" in source.shares]
    lines = _cut(own, unit, kind, f"counting {kind} of")
    for _, text in itertools.takewhile(lambda line: line[0] == "train", lines):
        yield text


def _cut(
    sources: Iterable[Text], unit: str, kind: str, action: str
) -> Iterator[tuple[str, str]]:
    """Yield the lines of all sources with the split that each goes to.

    A line in which a split ends is divided: a stream of characters there,
    other streams behind the next space; sentences are not.
    """
    for source in sources:
        ends = source.ends
        *cut, last = source.shares
        position = 0
        for number, line in enumerate(source.read(action), 1):
            if unit == "sentences" and len(line) > _LONGEST_SENTENCE:
                raise DataError(
                    f"{source.name}:{number}: the sentence has more than "
                    f"{_LONGEST_SENTENCE:,} letters; a text that is no list of "
                    "sentences needs --unit stream"
                )
            while cut and position + len(line) > ends[cut[0]]:
                at = _division(line, ends[cut[0]] - position, unit, kind)
                yield cut[0], line[:at]
                position += at
                line = line[at:]
                del cut[0]
            position += len(line)
            yield (cut[0] if cut else last), line


def _division(line: str, at: int, unit: str, kind: str) -> int:
    """Return where to divide a line in which a split ends."""
    if at <= 0:
        return 0
    if unit == "sentences":
        return len(line)
    if kind == "characters":
        return at
    space = _WHITE.search(line, at)
    return space.end() if space else len(line)


def _encode(
    folder: Path,
    sources: Sequence[Text],
    unit: str,
    tokenizer: StreamTokenizer,
) -> None:
    """Write the ids of all splits."""
    keys = ("lines", "characters", "unknown")
    about = {split: dict.fromkeys(keys, 0) for split in SPLITS}
    lines = _cut(sources, unit, tokenizer.kind, "encoding")
    with contextlib.ExitStack() as stack:
        writers = {
            split: stack.enter_context(
                RaggedWriter(folder / split, np.int32, np.int64)
            )
            for split in SPLITS
        }
        for split, own in itertools.groupby(lines, lambda line: line[0]):
            texts = (text for _, text in own if text)
            _write(writers[split], texts, unit, tokenizer, about[split])
    about["notes"] = [
        note for source in sources for note in source.rows.notes()
    ]
    (folder / "about.json").write_text(json.dumps(about))


def _write(
    writer: RaggedWriter,
    lines: Iterable[str],
    unit: str,
    tokenizer: StreamTokenizer,
    about: dict,
) -> None:
    """Write the ids of a split, and count what there is."""
    begin, end = tokenizer.BEGIN, tokenizer.END
    length = 0
    for chunk in in_chunks(lines, _CHUNK_LINES, _CHUNK_LETTERS):
        texts = [text.rstrip("\r\n") for text in chunk]
        ended = [text.endswith("\n") for text in chunk]
        rows = tokenizer.encode_batch(texts)
        about["unknown"] += sum(
            int((row == tokenizer.UNKNOWN).sum()) for row in rows
        )
        about["characters"] += sum(map(len, texts)) + sum(ended)
        if unit == "sentences":
            rows = [np.array([begin, *row, end]) for row in rows if len(row)]
            if rows:
                writer.append(np.concatenate(rows), list(map(len, rows)))
            about["lines"] += len(rows)
            continue
        parts = [] if length else [[end]]  # the end of the line before
        for row, is_ended in zip(rows, ended, strict=True):
            parts += [row, [end]] if is_ended else [row]
        ids = np.concatenate(parts)
        writer.append(ids, [])
        length += len(ids)
        about["lines"] += sum(ended)
    if length:
        writer.append([], [length])
        about["lines"] += not ended[-1]


def _files(request: Request) -> tuple[list[Text], list]:
    """Find a folder, or a file, of the user's."""
    paths = splits.find(
        request.data_path, [".txt"], request.training, request.whole
    )
    sources = []
    for split, path in paths.items():
        lines = Lines(path, request.encoding, parts=True)
        shares = splits.shares(split, paths)
        sources.append(Text(str(path), lines, shares))
    files = list(map(cache.file_fingerprint, paths.values()))
    return sources, [files, request.encoding, list(paths)]


def _demo(request: Request, small: bool = False) -> tuple[list[Text], list]:
    """Write sentences by our own grammar."""
    return _files(request.demo("language_model", demo, small))


class _TfdsLines:
    """The lines of all texts of a split of TFDS."""

    def __init__(self, rows: TfdsRows) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[str]:
        for row in self.rows:
            for line in row["text"].rstrip("\n").split("\n"):
                yield f"{line}\n"

    def notes(self) -> list[str]:
        """Return remarks on the last iteration."""
        return self.rows.notes()


def _public(
    name: str, parts: tuple[str, ...], request: Request
) -> tuple[list[Text], list]:
    """Take a set of TFDS; a split that it does not have is cut from train."""
    builder = tfds_records.prepared(name, request.data_path, request.download)
    own = {
        split: part for split, part in zip(SPLITS, parts, strict=True) if part
    }
    sources = []
    for split, part in own.items():
        rows = TfdsRows(builder, part, {"text": ("text",)})
        shares = splits.shares(split, own)
        sources.append(Text(rows.name, _TfdsLines(rows), shares))
    return sources, tfds_records.builder_fingerprint(builder)


# Tokens or characters, and licences, as published:
# lm1b               a billion words, shuffled sentences   Apache-2.0
# wiki40b/en         2.9 million pages                     CC BY-SA 3.0
# tiny_shakespeare   1.1 million characters, one text      public domain
SOURCES = {
    "demo": _demo,
    "demo_small": functools.partial(_demo, small=True),
    "files": _files,
    "lm1b": functools.partial(_public, "lm1b", ("train", "", "test")),
    "wiki40b/en": functools.partial(
        _public, "wiki40b/en", ("train", "validation", "test")
    ),
    "tiny_shakespeare": functools.partial(
        _public, "tiny_shakespeare", ("train", "validation", "test")
    ),
}
