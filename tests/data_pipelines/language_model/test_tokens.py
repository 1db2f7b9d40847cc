"""Lines to ids and back: by Python, in a graph, without loss."""

import pytest
import tensorflow as tf

from data_pipelines.language_model.tokens import StreamTokenizer

LINES = [
    "the cat , which can n't swim , sits",
    "  two  spaces\tand a tab ",
    "",
    "the dog <unk> the [PAD] the cat",
    "caf\u00e9 \u6620\u753b \u2581 end",
]


@pytest.fixture(params=["words", "characters", "subwords"])
def tokenizer(request):
    return StreamTokenizer.learn(LINES, request.param, 60)


def test_the_graph_cuts_as_python_does(tokenizer):
    lines = [*LINES, "unseen words \u0436", "br\ufffdken"]
    expected = [ids.tolist() for ids in tokenizer.encode_batch(lines)]
    assert tokenizer.encode_tensor(tf.constant(lines)).to_list() == expected
    for ids in expected[:2]:
        row = [*ids, tokenizer.END, *ids]
        for begin in (True, False):
            text = tokenizer.decode_tensor(tf.constant(row), begin)
            assert text.numpy().decode() == tokenizer.decode(row, begin)


def test_a_vocabulary_is_saved_and_loaded(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "vocabulary.txt")
    loaded = StreamTokenizer.load(tmp_path / "vocabulary.txt", tokenizer.kind)
    assert loaded.pieces == tokenizer.pieces
    assert loaded.encode(LINES[0]) == tokenizer.encode(LINES[0])


def test_characters_leave_nothing_out():
    tokenizer = StreamTokenizer.learn(LINES, "characters", 1000)
    for line, ids in zip(LINES, tokenizer.encode_batch(LINES), strict=True):
        assert len(ids) == len(line)
        text = line.replace("\t", " ").replace("\u2581", " ")
        assert tokenizer.decode(ids) == text
    assert tokenizer.decode([*ids, tokenizer.END]) == text + "\n"


def test_words_are_what_stands_between_spaces():
    tokenizer = StreamTokenizer.learn(LINES, "words", 1000)
    assert "n't" in tokenizer.pieces
    assert "<unk>" not in tokenizer.pieces
    ids = tokenizer.encode("the <unk> [PAD] cat zebra")
    unknown = tokenizer.UNKNOWN
    assert [i == unknown for i in ids] == [False, True, True, False, True]
    assert tokenizer.decode(ids[:1]) == "the"
    assert tokenizer.decode(ids[:1], begin=False) == " the"
    two = [*ids[:1], tokenizer.END, *ids[3:4]]
    assert tokenizer.decode(two) == "the\ncat"


def test_sizes():
    assert len(StreamTokenizer.learn(LINES, "words", 5)) == 9
    frequent = StreamTokenizer.learn(LINES, "words", 99, minimum_count=2)
    assert frequent.pieces[4:] == ("the", ",", "cat")
