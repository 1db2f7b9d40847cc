"""Labels of words as spans, and back: IOB1, IOB2, IOBES, or plain labels.

iob2    O  B-city  I-city  B-city      each span begins with B
iob1    O  I-city  I-city  B-city      B only where a span follows its like
iobes   O  B-city  E-city  S-city      the end is told too; BILOU likewise
plain   DET  NOUN  VERB                a label a word, no spans
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from data_pipelines.files.errors import DataError

SCHEMES = ("iob2", "iob1", "iobes", "plain")

OUTSIDE = "O"

# BILOU calls the last word L and the only one U.
_LABEL = re.compile("([BIESLU])(?:-(.*))?")
_IOBES = {"L": "E", "U": "S"}


class Span(NamedTuple):
    """Words that belong together.

    Attributes:
        start: Its first word.
        end: The word behind its last one.
        type: What it is.
    """

    start: int
    end: int
    type: str


def parts(tag: str) -> tuple[str, str]:
    """Return prefix and type of a label of a span; ("O", "") outside."""
    match = _LABEL.fullmatch(tag)
    if not match:
        return OUTSIDE, ""
    return _IOBES.get(match[1], match[1]), match[2] or ""


def are_spans(labels: Iterable[str]) -> bool:
    """Return whether labels are those of spans."""
    return all(label == OUTSIDE or _LABEL.fullmatch(label) for label in labels)


def spans(tags: Sequence[str]) -> list[Span]:
    """Return the spans of labels, as conlleval reads them.

    Where a scheme is broken, as a model without transitions breaks it, a span
    begins at each label that cannot go on with the one before.
    """
    spans: list[Span] = []
    start, before = 0, (OUTSIDE, "")
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = parts(tag)
        goes_on = (
            prefix in ("I", "E")
            and before[0] in ("B", "I")
            and kind == before[1]
        )
        if before[0] != OUTSIDE and not goes_on:
            spans.append(Span(start, place, before[1]))
        if not goes_on:
            start = place
        before = prefix, kind
    return spans


def encode(spans: Iterable[Span], length: int, scheme: str) -> list[str]:
    """Return the labels of spans that do not overlap, `iob2` or `iobes`."""
    tags = [OUTSIDE] * length
    for start, end, kind in spans:
        ending = f"-{kind}" if kind else ""
        prefixes = ["B", *"I" * (end - start - 1)]
        if scheme == "iobes":
            prefixes[-1] = "E" if end - start > 1 else "S"
        tags[start:end] = [prefix + ending for prefix in prefixes]
    return tags


def forbidden(labels: Sequence[str]) -> Iterator[tuple[int | None, int | None]]:
    """Yield which labels never follow which, as `rnn_layers.CRF` takes them."""
    if not are_spans(labels):
        return
    begins = [i for i, tag in enumerate(labels) if parts(tag)[0] in "IE"]
    for label in begins:
        yield None, label
    is_iobes = any(parts(tag)[0] in "ES" for tag in labels)
    for i, first in enumerate(map(parts, labels)):
        is_open = is_iobes and first[0] in "BI"
        if is_open:
            yield i, None
        for j, second in enumerate(map(parts, labels)):
            goes_on = second[0] in "IE"
            joined = first[0] in "BI" and first[1] == second[1]
            if (goes_on and not joined) or (is_open and not goes_on):
                yield i, j


def detect(sentences: Iterable) -> str:
    """Return the scheme of labels; `broken` then finds what it does not allow.

    Args:
        sentences: Each with `tags` and the `where` of each of them.

    Raises:
        DataError: If only some labels are those of spans.
    """
    first: dict[str, str] = {}
    begun = unneeded = ""
    for sentence in sentences:
        before = (OUTSIDE, "")
        for place, tag in enumerate(sentence.tags):
            if tag not in first:
                first[tag] = sentence.where(place)
            prefix, kind = parts(tag)
            joined = before[0] != OUTSIDE and before[1] == kind
            if prefix == "I" and not joined:
                begun = begun or sentence.where(place)
            if prefix == "B" and not joined:
                unneeded = unneeded or sentence.where(place)
            before = prefix, kind
    labels = {tag for tag in first if tag != OUTSIDE}
    typed = {tag for tag in labels if tag[1:2] == "-" and _LABEL.fullmatch(tag)}
    bare = labels <= {*"BIESLU"} and OUTSIDE in first
    if not bare and len(typed) * 2 <= len(labels):
        return "plain"
    if odd := labels - typed - {*"BIESLU"}:
        tag = min(odd, key=lambda tag: list(first).index(tag))
        raise DataError(
            f"{first[tag]}: the label {tag!r} is that of no span, others are; "
            "expected O, B-... and I-..., or --scheme plain"
        )
    if {parts(tag)[0] for tag in labels} & {"E", "S"}:
        return "iobes"
    return "iob1" if begun and not unneeded else "iob2"


def broken(tags: Sequence[str], scheme: str) -> tuple[int, str] | None:
    """Return where labels first break a scheme, and how; `None` if nowhere."""
    if scheme == "plain":
        return None
    for place, tag in enumerate(tags if scheme != "iobes" else ()):
        if parts(tag)[0] in ("E", "S"):
            return place, (
                f"{tag} is a label of IOBES, others are of {scheme.upper()}: "
                "mixed schemes?"
            )
    if scheme == "iob1":
        return None
    before = (OUTSIDE, "")
    for place, tag in enumerate(tags):
        prefix, kind = parts(tag)
        joined = before[0] in ("B", "I") and before[1] == kind
        if prefix in ("I", "E") and not joined:
            return place, _beginning(tag, place, tags, scheme)
        is_open = scheme == "iobes" and before[0] in ("B", "I")
        if is_open and prefix not in ("I", "E"):
            return place, (
                f"{tag} behind {tags[place - 1]}, whose span has no end; "
                "expected E-... first, or S-... for a span of one word: mixed "
                "schemes?"
            )
        before = prefix, kind
    if scheme == "iobes" and before[0] in ("B", "I"):
        return len(tags) - 1, (
            f"the span of {tags[-1]} has no end; expected E-...: mixed schemes?"
        )
    return None


def _beginning(tag: str, place: int, tags: Sequence[str], scheme: str) -> str:
    behind = f"behind {tags[place - 1]}" if place else "at the beginning"
    line = f"{tag} {behind}; in {scheme.upper()} a span begins with B-..."
    if scheme == "iob2":
        line += ": mixed schemes? --scheme iob1 takes either for a beginning"
    return line


def convert(tags: Sequence[str], scheme: str, wanted: str) -> list[str]:
    """Return labels of one scheme in another one; plain ones stay."""
    if scheme == "plain":
        return list(tags)
    return encode(spans(tags), len(tags), wanted)
