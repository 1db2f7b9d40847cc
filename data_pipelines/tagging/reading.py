"""Sentences with labels, from columns of CoNLL, CoNLL-U, or lines of JSON.

columns   a word a line, its labels in columns, by tabs or white space; an empty
          line ends a sentence, `-DOCSTART-` begins a document
.conllu   the same with ten columns; `#` begins a comment, `3-4` and `8.1` are
          no words
.jsonl    {"text": "fly to rome", "spans": [[7, 11, "city"]]}, by characters, or
          {"words": [...], "tags": [...]}; perhaps with an "intent"
"""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import Lines
from data_pipelines.files.tables import clean_label
from data_pipelines.tagging import features
from data_pipelines.tagging.schemes import Span, encode

SUFFIXES = (
    *(".txt", ".conll", ".iob", ".iob2", ".bio", ".bioes", ".tsv"),
    *(".conllu", ".jsonl"),
)

CONLLU = "id,word,lemma,tag,xpos,feats,head,relation,deps,misc"

# Names of columns that are read; others may be called as one likes.
COLUMNS = ("word", "tag", "head", "relation")

_BETWEEN = "with spaces or tabs between"

# What columns of CoNLL-U have where nothing is known.
NO_TAG = "_"

NEEDED = {"tag": ("word", "tag"), "parse": ("word", "head", "relation")}

# Other names that keys of JSON often have.
_KEYS = {
    "words": ("words", "tokens"),
    "tags": ("tags", "ner_tags", "labels"),
    "spans": ("spans", "entities", "slots"),
    "type": ("label", "type", "entity"),
    "intent": ("intent",),
}


@dataclasses.dataclass
class Sentence:
    """Words of a sentence and what stands beside them.

    Attributes:
        words: As they stand in the file.
        tags: Their labels, in a parse their relations; empty if there are none.
        heads: Number of the head of each word, from 1 on; 0 is the root.
        intent: Of the sentence, the first one if it has several; may be empty.
        columns: Name of another column that is read -> its values.
        path: The file.
        lines: Line of each word, or of the sentence if it has none.
        document: Number of its document in the file.
        intents: All of them.
    """

    words: list[str]
    tags: list[str]
    heads: list[int]
    intent: str
    columns: dict[str, list[str]]
    path: Path
    lines: list[int]
    document: int
    intents: tuple[str, ...] = ()

    def where(self, place: int = 0) -> str:
        """Return file and line of a word, for messages."""
        return f"{self.path}:{self.lines[place]}"


class Sentences(Lines):
    """The sentences of one file, read anew by every iteration.

    Args:
        path: The file; its name ends in one of `SUFFIXES`, or with .gz behind.
        needed: Columns that have to be there.
        columns: Names of the columns, by commas; empty: as the file is called,
            and else the word is the first one, the tag the last.
        encoding: See `Lines`.
        stream: See `Lines`.
        more: Other columns that have to be there, and are read.
        optional: Other columns that are read if they are there.
    """

    def __init__(
        self,
        path: str | Path,
        needed: Sequence[str] = ("word",),
        columns: str = "",
        encoding: str = "",
        stream: Any = None,
        more: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> None:
        super().__init__(path, encoding, stream)
        self.needed = needed
        ending = Path(self.path.name.lower().removesuffix(".gz")).suffix
        self.is_json = ending == ".jsonl"
        self.is_conllu = ending == ".conllu"
        if self.is_conllu and not columns:
            columns = CONLLU
        self.more = tuple(more)
        self.optional = tuple(optional)
        self.names = _names(columns, (*needed, *more))

    def __iter__(self) -> Iterator[Sentence]:
        yield from self._json() if self.is_json else self._columns()

    def _columns(self) -> Iterator[Sentence]:
        document = 0
        fields: list[list[str]] = []
        lines: list[int] = []
        for number, line in enumerate(super().__iter__(), 1):
            line = line.strip("\r\n ")
            is_comment = self.is_conllu and line.startswith("#")
            is_document = line.startswith(
                "# newdoc" if self.is_conllu else "-DOCSTART-"
            )
            if line.strip() and not (is_comment or is_document):
                row = line.split("\t") if "\t" in line else line.split()
                where = f"{self.path}:{number}"
                self._check_row(row, where)
                if not self._is_no_word(row, len(fields) + 1, where):
                    fields.append(row)
                    lines.append(number)
                continue
            if fields and not is_comment:
                yield self._sentence(fields, lines, document)
                fields, lines = [], []
            document += is_document
        if fields:
            yield self._sentence(fields, lines, document)

    def _check_row(self, row: list[str], where: str) -> None:
        """Refuse a line with another number of columns than expected."""
        if not self.names:
            least = 2 if len(self.needed) > 1 else 1
            if "head" in self.needed:
                raise DataError(
                    f"{where}: which column is the head, which the relation? "
                    "Say it, as in --columns word,tag,head,relation"
                )
            if len(row) < least:
                raise DataError(
                    f"{where}: has {len(row)} column; expected a word, and its "
                    f"label in the last column, {_BETWEEN}"
                )
            middle = [f"column {n}" for n in range(2, len(row))]
            self.names = ["word", *middle, *["tag"] * (len(row) > 1)]
            if self.more:
                raise DataError(
                    f"{where}: which column is {self.more[0]!r}? Say it, as in "
                    f"--columns word,{self.more[0]},tag"
                )
        if len(row) != len(self.names):
            names = ",".join(self.names)
            raise DataError(
                f"{where}: has {len(row)} column{'s' * (len(row) > 1)}; "
                f"expected {len(self.names)}: {names}, {_BETWEEN}"
            )
        # Others than the usual space are words of some treebanks.
        if not row[self.names.index("word")].strip(" "):
            raise DataError(f"{where}: the word is empty")

    def _is_no_word(self, row: list[str], place: int, where: str) -> bool:
        """Return whether a line of CoNLL-U is a contraction or is empty.

        Refuse a word whose number is not its place in the sentence.
        """
        if not self.is_conllu or "id" not in self.names:
            return False
        number = row[self.names.index("id")]
        if number == str(place):
            return False
        if number.isdecimal():
            raise DataError(
                f"{where}: the word has the number {number}, expected {place}; "
                "an empty line ends a sentence"
            )
        if number.replace("-", "").replace(".", "").isdecimal():
            return True
        raise DataError(
            f"{where}: {number!r} is no number of a word; expected 1, 2, ..."
        )

    def _sentence(
        self, fields: list[list[str]], lines: list[int], document: int
    ) -> Sentence:
        by_name = dict(zip(self.names, zip(*fields, strict=True), strict=True))
        wheres = [f"{self.path}:{line}" for line in lines]
        label = "relation" if "relation" in self.needed else "tag"
        labels = by_name.get(label, ()) if label in self.needed else ()
        sentence = Sentence(
            list(by_name["word"]),
            list(map(clean_label, labels, wheres)),
            [],
            "",
            {
                name: list(map(clean_label, by_name[name], wheres))
                for name in (*self.more, *self.optional)
                if name in by_name
            },
            self.path,
            lines,
            document,
        )
        if "head" in self.needed:
            sentence.heads = [
                _head(text, where)
                for text, where in zip(by_name["head"], wheres, strict=True)
            ]
            check_tree(sentence)
        return sentence

    def _json(self) -> Iterator[Sentence]:
        if "head" in self.needed:
            raise DataError(
                f"{self.path}: heads are read of CoNLL-U or of columns"
            )
        numbered = []
        for number, line in enumerate(super().__iter__(), 1):
            if not line.strip():
                continue
            where = f"{self.path}:{number}"
            try:
                item = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"{where}: not a line of JSON: {error}"
                ) from None
            if not isinstance(item, dict):
                raise DataError(f"{where}: expected a JSON object")
            numbered.append((number, where, item))
        texts = [
            str(item.get("text", "")).encode("utf-8", "replace").decode()
            for _, _, item in numbered
        ]
        tokens = features.tokenize(tf.constant(texts, tf.string))
        starts, ends = tokens.starts.to_list(), tokens.ends.to_list()
        for row, (number, where, item) in enumerate(numbered):
            places = list(zip(starts[row], ends[row], strict=True))
            words, tags = self._labelled(item, texts[row], places, where)
            intent = _value(item, "intent")
            intent = clean_label(str(intent), where) if intent else ""
            lines = [number] * max(len(words), 1)
            columns = {
                name: _column(item, name, len(words), where)
                for name in self.more
            }
            yield Sentence(
                words, tags, [], intent, columns, self.path, lines, 0
            )

    def _labelled(
        self, item: dict, text: str, places: list, where: str
    ) -> tuple[list[str], list[str]]:
        """Return words and labels of an object of JSON."""
        words = _value(item, "words")
        if words is not None:
            words, tags = list(map(str, words)), _value(item, "tags") or []
            if "tag" in self.needed and len(tags) != len(words):
                raise DataError(
                    f"{where}: has {len(words)} words and {len(tags)} tags; "
                    "expected as many"
                )
            return words, [clean_label(str(tag), where) for tag in tags]
        if "text" not in item:
            raise DataError(
                f"{where}: has neither 'text' nor 'words'; the keys are "
                f"{', '.join(map(repr, item))}"
            )
        if "tag" not in self.needed:
            return [text[a:b] for a, b in places], []
        spans = _value(item, "spans")
        if not isinstance(spans, list):
            raise DataError(f"{where}: has no list of 'spans' beside 'text'")
        spans = sorted(_span(span, text, where) for span in spans)
        for first, second in itertools.pairwise(spans):
            if second.start < first.end:
                raise DataError(
                    f"{where}: the spans {list(first)} and {list(second)} "
                    "overlap"
                )
        cuts = {edge for span in spans for edge in span[:2]}
        places = [
            (a, b) for start, end in places for a, b in _cut(start, end, cuts)
        ]
        by_word = []
        for start, end, kind in spans:
            inside = [
                n for n, (a, b) in enumerate(places) if start <= a and b <= end
            ]
            if inside:
                by_word.append(Span(inside[0], inside[-1] + 1, kind))
        words = [text[a:b] for a, b in places]
        return words, encode(by_word, len(words), "iob2")


def _cut(start: int, end: int, cuts: set[int]) -> Iterator[tuple[int, int]]:
    """Yield the parts of a word that edges of spans cut."""
    edges = [start, *sorted(c for c in cuts if start < c < end), end]
    yield from itertools.pairwise(edges)


def _value(item: dict, name: str) -> Any:
    """Return what stands under one of the usual names of a key."""
    return next((item[key] for key in _KEYS[name] if key in item), None)


def _column(item: dict, name: str, length: int, where: str) -> list[str]:
    """Return a value for each word."""
    values = item.get(name)
    if not isinstance(values, list) or len(values) != length:
        raise DataError(
            f"{where}: expected {name!r} with a list of {length} values, one "
            "for each word"
        )
    return [clean_label(str(value), where) for value in values]


def _span(span: Any, text: str, where: str) -> Span:
    if isinstance(span, dict):
        span = [span.get("start"), span.get("end"), _value(span, "type")]
    is_triple = isinstance(span, list) and len(span) == 3
    if not is_triple or not all(type(edge) is int for edge in span[:2]):
        raise DataError(
            f"{where}: a span is {json.dumps(span)[:80]}; expected its first "
            'character, the one behind its last, and its label: [7, 11, "city"]'
        )
    start, end, kind = span
    if not 0 <= start < end <= len(text):
        raise DataError(
            f"{where}: the span {span} is outside of the text, which has "
            f"{len(text)} characters"
        )
    return Span(start, end, clean_label(str(kind or ""), where))


def _names(columns: str, needed: Sequence[str]) -> list[str]:
    """Return the names of the columns, refusing what has not all of them."""
    names = [name.strip() for name in columns.split(",")] if columns else []
    for name in needed if names else ():
        if names.count(name) != 1:
            raise DataError(
                f"--columns {columns}: expected the name {name!r} in it once, "
                f"as in --columns {','.join(needed)}"
            )
    return names


def _head(text: str, where: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise DataError(
            f"{where}: the head {text!r} is no number; expected that of a "
            "word, or 0 for the root"
        )
    return int(text)


def check_tree(sentence: Sentence) -> None:
    """Refuse heads that make no tree with one root."""
    heads = sentence.heads
    roots = [place for place, head in enumerate(heads) if head == 0]
    for place, head in enumerate(heads):
        if head > len(heads):
            raise DataError(
                f"{sentence.where(place)}: the head is {head}, but the "
                f"sentence has {len(heads)} words"
            )
    if len(roots) > 1:
        raise DataError(
            f"{sentence.where(roots[1])}: a second root; the first is on line "
            f"{sentence.lines[roots[0]]}, expected one"
        )
    reached = [False] * len(heads)
    for place in range(len(heads)):
        path = []
        while not reached[place] and heads[place]:
            path.append(place)
            reached[place] = True
            place = heads[place] - 1
        if place in path:
            raise DataError(
                f"{sentence.where(place)}: the heads make a circle of "
                f"{len(path) - path.index(place)} words; expected a tree"
            )


def read_intents(path: Path, sentences: list[Sentence], encoding: str) -> Lines:
    """Add the intents of a file, one a line, to sentences."""
    lines = Lines(path, encoding)
    intents = [
        clean_label(line, f"{path}:{number}")
        for number, line in enumerate(lines, 1)
    ]
    if len(intents) != len(sentences):
        raise DataError(
            f"{path}:{len(intents)}: has {len(intents):,} intents, "
            f"{sentences[0].path if sentences else 'the file beside it'} has "
            f"{len(sentences):,} sentences; expected as many"
        )
    for sentence, intent in zip(sentences, intents, strict=True):
        sentence.intent = intent
    return lines
