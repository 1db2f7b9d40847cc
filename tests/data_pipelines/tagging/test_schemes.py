"""Schemes of labels against the rules of conlleval, on all short sentences."""

import dataclasses
import itertools

import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.tagging import schemes
from data_pipelines.tagging.schemes import Span

LABELS = ["O", "B-a", "I-a", "B-b", "I-b", "E-a", "S-a"]


def conlleval(tags):
    """The spans by the rules of the published script, written out."""
    spans, start, before = [], None, ("O", "")
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        last, last_kind = before
        ends = (
            (last == "B" and prefix in "BOS")
            or (last == "I" and prefix in "BOS")
            or last in "ES"
            or (last != "O" and kind != last_kind)
        )
        begins = (
            prefix in "BS"
            or (last in "ESO" and prefix in "EI")
            or (prefix != "O" and kind != last_kind)
        )
        if start is not None and ends:
            spans.append(Span(start, place, last_kind))
            start = None
        if begins:
            start = place
        before = prefix, kind
    return spans


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_spans_are_those_of_conlleval(length):
    for tags in itertools.product(LABELS, repeat=length):
        assert schemes.spans(tags) == conlleval(tags), tags


@pytest.mark.parametrize("scheme", ["iob2", "iobes"])
def test_spans_survive_being_written_as_labels(scheme):
    for tags in itertools.product(LABELS, repeat=4):
        spans = schemes.spans(tags)
        written = schemes.convert(tags, "iob1", scheme)
        assert schemes.spans(written) == spans
        assert schemes.broken(written, scheme) is None
        if scheme == "iob2":
            assert {tag[0] for tag in written} <= {*"OBI"}


def test_bilou_and_labels_without_a_type_are_read():
    assert schemes.spans(["B-a", "L-a", "U-b"]) == [(0, 2, "a"), (2, 3, "b")]
    assert schemes.spans(["B", "I", "O", "B"]) == [(0, 2, ""), (3, 4, "")]
    assert schemes.encode([Span(0, 2, "")], 3, "iob2") == ["B", "I", "O"]


@pytest.mark.parametrize(
    "labels",
    [["O", "B-a", "I-a", "B-b"], ["O", "B-a", "I-a", "E-a", "S-a", "S-b"]],
    ids=["iob2", "iobes"],
)
def test_what_is_forbidden_is_what_breaks_the_scheme(labels):
    scheme = "iobes" if "S-a" in labels else "iob2"
    forbidden = set(schemes.forbidden(labels))
    for length in (1, 2, 3):
        for path in itertools.product(range(len(labels)), repeat=length):
            tags = [labels[label] for label in path]
            pairs = itertools.pairwise([None, *path, None])
            is_forbidden = any(pair in forbidden for pair in pairs)
            assert is_forbidden == (schemes.broken(tags, scheme) is not None)


@dataclasses.dataclass
class Tagged:
    tags: list

    def where(self, place):
        return f"x:{place + 1}"


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("O B-a I-a B-a", "iob2"),
        ("O B-a O", "iob2"),
        ("O I-a I-a B-a I-b", "iob1"),
        ("O S-a B-a E-a", "iobes"),
        ("U-a B-a L-a", "iobes"),
        ("DET NOUN VERB", "plain"),
        ("O B I", "iob2"),
        ("NN S-BAR NP PP", "plain"),
    ],
)
def test_the_scheme_is_told_by_the_labels(tags, scheme):
    assert schemes.detect([Tagged(tags.split())]) == scheme


@pytest.mark.parametrize("labels", ["S E RD", "N V", "NOUN X"])
def test_plain_labels_are_those_of_no_spans(labels):
    labels = labels.split()
    assert not schemes.are_spans(labels)
    assert schemes.are_spans(["O", "B-x", "I"])
    assert not list(schemes.forbidden(labels))


def test_a_label_among_those_of_spans_is_refused():
    with pytest.raises(DataError, match="x:3: the label 'odd' is that of no"):
        schemes.detect([Tagged(["B-a", "I-a", "odd", "O"])])


@pytest.mark.parametrize(
    ("tags", "scheme", "place", "message"),
    [
        ("O I-a", "iob2", 1, "I-a behind O; in IOB2 a span begins with B"),
        ("I-a", "iob2", 0, "I-a at the beginning"),
        ("B-a I-b", "iob2", 1, "--scheme iob1 takes either"),
        ("B-a O", "iobes", 1, "O behind B-a, whose span has no end"),
        ("O B-a", "iobes", 1, "the span of B-a has no end"),
        ("E-a", "iobes", 0, "E-a at the beginning"),
        ("O S-a", "iob2", 1, "S-a is a label of IOBES, others are of IOB2"),
        ("I-a E-a", "iob1", 1, "others are of IOB1: mixed schemes?"),
    ],
)
def test_where_a_scheme_is_broken(tags, scheme, place, message):
    where, text = schemes.broken(tags.split(), scheme)
    assert where == place
    assert message in text
