"""Sentences of columns, CoNLL-U and JSON, and what is refused in one line."""

import gzip
import json

import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.tagging.reading import NEEDED, Sentences, read_intents

PARSE = "word,head,relation"


def read(folder, text, task="tag", columns="", name="train.txt"):
    path = folder / name
    path.write_text(text, "utf-8")
    return list(Sentences(path, NEEDED[task], columns))


def test_columns_by_tabs_or_spaces(tmp_path):
    text = "-DOCSTART- -X- O\n\na  DT O\nbig JJ\tO\n# NN B-x\n\n\n"
    text = text.replace("JJ\tO", "JJ O") + "-DOCSTART- -X- O\n\nNew York\tN\tO"
    first, second = read(tmp_path, text)
    assert first.words == ["a", "big", "#"]
    assert first.tags == ["O", "O", "B-x"]
    assert first.lines == [3, 4, 5]
    assert second.words == ["New York"]
    assert (first.document, second.document) == (1, 2)
    (named,) = read(tmp_path, "x the DT\n", columns="tag,word,pos")
    assert (named.words, named.tags) == (["the"], ["x"])


def test_further_columns_are_read_where_asked(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("a DT x O\nb N y O\n", "utf-8")

    def columns(names, **more):
        (sentence,) = Sentences(path, NEEDED["tag"], names, **more)
        return sentence.columns

    names = "word,pos,kind,tag"
    assert columns(names) == {}
    assert columns(names, more=("kind",)) == {"kind": ["x", "y"]}
    assert columns(names, optional=("pos", "q")) == {"pos": ["DT", "N"]}
    with pytest.raises(DataError, match="which column is 'pos'"):
        columns("", more=("pos",))
    with pytest.raises(DataError, match="expected the name 'q' in it once"):
        columns(names, more=("q",))
    path = tmp_path / "train.jsonl"
    path.write_text('{"words": ["a"], "tags": ["O"], "pos": ["N"]}')
    assert columns("", more=("pos",)) == {"pos": ["N"]}
    with pytest.raises(DataError, match=":1: expected 'q' with a list of 1"):
        columns("", more=("q",))


def test_conllu_leaves_out_what_is_no_word(tmp_path):
    text = (
        "# newdoc\n# text = don't go\n1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "1\tdo\t_\tAUX\t_\t_\t3\taux\t_\t_\n"
        "2\tn't\t_\tPART\t_\t_\t3\tadvmod\t_\t_\n"
        "2.1\tx\t_\tX\t_\t_\t_\t_\t_\t_\n"
        "3\tgo\t_\tVERB\t_\t_\t0\troot\t_\t_\n"
    )
    (sentence,) = read(tmp_path, text, "parse", name="train.conllu")
    assert sentence.words == ["do", "n't", "go"]
    assert sentence.heads == [3, 3, 0]
    assert sentence.tags == ["aux", "advmod", "root"]
    assert sentence.lines == [4, 5, 7]
    (tagged,) = read(tmp_path, text, name="train.conllu")
    assert tagged.tags == ["AUX", "PART", "VERB"]


def test_words_of_conllu_are_whatever_stands_between_tabs(tmp_path):
    words = ["Việt Nam", "10\u00a0000", "\u3000", "#", "\u05e9\u05dc\u05d5"]
    lines = "\n".join(
        f"{number}\t{word}" + "\tX" * 8 for number, word in enumerate(words, 1)
    )
    (sentence,) = read(tmp_path, lines, name="train.conllu")
    assert sentence.words == words


def test_spans_by_character_cut_words(tmp_path):
    items = [
        {
            "text": "Größe: XXL-Shirt",
            "entities": [{"start": 7, "end": 10, "label": "size"}],
            "intent": "buy",
        },
        {"tokens": ["a", "b"], "ner_tags": ["O", "B-x"]},
    ]
    path = tmp_path / "train.jsonl.gz"
    lines = "\n".join(map(json.dumps, items))
    path.write_bytes(gzip.compress(lines.encode()))
    first, second = Sentences(path, NEEDED["tag"])
    assert first.words == ["Größe", ":", "XXL", "-", "Shirt"]
    assert first.tags == ["O", "O", "B-size", "O", "O"]
    assert (first.intent, first.where(4)) == ("buy", f"{path}:1")
    assert second.tags == ["O", "B-x"]


@pytest.mark.parametrize(
    ("name", "text", "columns", "message"),
    [
        ("train.txt", "a O\nb\n", "", ":2: has 1 column; expected 2: word,tag"),
        ("train.txt", "a\n", "", ":1: has 1 column; expected a word, and its"),
        ("ner.csv", "Word;Tag\nx;O\n", "", "the last column, with spaces or"),
        ("ner.csv", "No # Tag\nx;O\n", "", "word,column 2,tag, with spaces"),
        ("train.txt", "a N O\nb O\n", "", ":2: has 2 columns; expected 3"),
        ("train.txt", "\tO\n", "word,tag", ":1: the word is empty"),
        ("train.txt", "a b\n", "word,pos", "--columns word,pos: expected the"),
        ("train.conllu", "1\ta\n", "", ":1: has 2 columns; expected 10"),
        ("train.conllu", "x" + "\ta" * 9, "", ":1: 'x' is no number of a word"),
        ("train.conllu", "2" + "\ta" * 9, "", ":1: the word has the number 2"),
        ("train.conllu", "1" + "\t" * 9, "", ":1: the word is empty"),
        (
            *("train.conllu", ("1" + "\ta" * 9 + "\n") * 2, ""),
            ":2: the word has the number 1, expected 2; an empty line ends",
        ),
        ("train.jsonl", "[1]", "", ":1: expected a JSON object"),
        ("train.jsonl", "{", "", ":1: not a line of JSON"),
        ("train.jsonl", '{"a": 1}', "", ":1: has neither 'text' nor 'words'"),
        ("train.jsonl", '{"text": "a"}', "", ":1: has no list of 'spans'"),
        (
            *("train.jsonl", '{"text": "a", "spans": [[0, 2, "x"]]}'),
            *("", ":1: the span [0, 2, 'x'] is outside of the text"),
        ),
        (
            *("train.jsonl", '{"text": "a", "spans": [[0, "x"]]}'),
            *("", ':1: a span is [0, "x"]; expected its first character'),
        ),
        (
            "train.jsonl",
            '{"text": "abc", "spans": [[0, 2, "x"], [1, 3, "y"]]}',
            *("", ":1: the spans [0, 2, 'x'] and [1, 3, 'y'] overlap"),
        ),
        (
            *("train.jsonl", '{"words": ["a"], "tags": []}'),
            *("", ":1: has 1 words and 0 tags"),
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path, name, text, columns, message
):
    with pytest.raises(DataError) as error:
        read(tmp_path, text, columns=columns, name=name)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ("2 0 4", ":3: the head is 4, but the sentence has 3 words"),
        ("2 0 0", ":3: a second root; the first is on line 2"),
        ("2 1 0", ":1: the heads make a circle of 2 words"),
        ("0 3 2", ":2: the heads make a circle of 2 words"),
        ("0 x 2", ":2: the head 'x' is no number"),
        ("0 -1 2", ":2: the head '-1' is no number"),
    ],
)
def test_heads_make_a_tree(tmp_path, heads, message):
    lines = "".join(f"w {head} r\n" for head in heads.split())
    with pytest.raises(DataError) as error:
        read(tmp_path, lines, "parse", PARSE)
    assert message in str(error.value)


def test_columns_of_a_parse_have_to_be_named(tmp_path):
    with pytest.raises(DataError, match="--columns word,tag,head,relation"):
        read(tmp_path, "a 0 root\n", "parse")


def test_intents_are_as_many_as_sentences(tmp_path):
    sentences = read(tmp_path, "a O\n\nb O\n")
    path = tmp_path / "train.intents"
    path.write_text("x\ny\n")
    read_intents(path, sentences, "")
    assert [sentence.intent for sentence in sentences] == ["x", "y"]
    path.write_text("x\n")
    with pytest.raises(DataError, match="has 2 sentences; expected as"):
        read_intents(path, sentences, "")
    path.write_text("x\n\n")
    with pytest.raises(DataError, match="intents:2: the label is empty"):
        read_intents(path, sentences, "")
