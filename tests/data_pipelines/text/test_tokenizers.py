import ast
import io
import itertools
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.text.tokenizers import KINDS, SMALLEST, Tokenizer, normalize
from data_pipelines.translation.demo import generator as demo

SPECIALS = ("[PAD]", "[UNK]", "[BOS]", "[EOS]")
SPACE = "\u2581"

NASTY = [
    "",
    " ",
    " \t\r\n\u2028\xa0 ",
    SPACE,
    f"{SPACE}{SPACE} a {SPACE}b",
    "  two   spaces ",
    "tab\tand\nline",
    "nul\x00inside",
    "e\u0301 decomposed, \xe9 composed",
    "\U0001f642\U0001f468\u200d\U0001f469\u200d\U0001f467 emoji \U0001f642",
    "\u65e5\u672c\u8a9e \u65e5\u672c",
    "\u2585 reserved \u2585\u2585",
    "[PAD] [UNK] [BOS] [EOS] <s> </s> <unk>",
    "\ufffd \ufeff \uffff",
    "a" * 1000,
    "\xdf" * 100 + " " + "\xdf" * 101 + " " + "\xdf" * 200,
    "\u65e5" * 250,
    "word " * 500,
    "\u2047 unknown sign",
    "don't (stop) \u201cnow\u201d \u2014 3.14 %",
]


@pytest.fixture(scope="module")
def texts():
    pairs = demo.splits()["train"][:2000]
    return [pair.french for pair in pairs]


@pytest.fixture(scope="module")
def tokenizers(texts):
    return {kind: Tokenizer.learn(texts, kind, 800) for kind in KINDS}


@pytest.fixture(scope="module")
def graphs(tokenizers):
    spec = [tf.TensorSpec([None], tf.string)]
    return {
        kind: tf.function(tokenizer.encode_tensor, input_signature=spec)
        for kind, tokenizer in tokenizers.items()
    }


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def tokenizer(tokenizers, kind):
    return tokenizers[kind]


def as_lists(rows):
    return [row.tolist() for row in rows]


def tensor(strings):
    return tf.constant([s.encode("utf-8", "replace") for s in strings])


def from_alphabet(alphabet, count, longest, seed=0):
    chance = random.Random(seed)
    return [
        "".join(
            chance.choice(alphabet) for _ in range(chance.randrange(longest))
        )
        for _ in range(count)
    ]


# What a vocabulary is.


def test_the_specials_come_first(tokenizer, tmp_path):
    assert tokenizer.pieces[:4] == SPECIALS
    assert [tokenizer.PADDING, tokenizer.UNKNOWN] == [0, 1]
    assert [tokenizer.BEGIN, tokenizer.END] == [2, 3]
    tokenizer.save(tmp_path / "source.txt")
    lines = (tmp_path / "source.txt").read_text("utf-8").split("\n")
    assert lines == [*tokenizer.pieces, ""]
    assert len(tokenizer) == len(lines) - 1
    assert len(set(lines)) == len(lines)


def test_sizes(texts, kind):
    for size in (SMALLEST, 20, 300):
        actual = Tokenizer.learn(texts, kind, size)
        assert len(actual) <= size
        assert len(actual) >= SMALLEST
    with pytest.raises(ValueError, match="size must be at least 6, not 5"):
        Tokenizer.learn(texts, kind, 5)


def test_a_small_corpus_has_fewer_pieces(kind):
    for small in ([], [""], ["a"], ["\u2585"], ["a b"], ["\u65e5\u672c"]):
        actual = Tokenizer.learn(small, kind, 5000)
        assert len(actual) < 20
        for text in small:
            if SPACE not in text and "\u2585" not in text:
                assert 1 not in actual.encode(text)
                assert actual.decode(actual.encode(text)) == text


def test_learning_twice_gives_the_same(texts, kind, tokenizer):
    assert Tokenizer.learn(iter(texts), kind, 800).pieces == tokenizer.pieces


def test_words_and_characters_by_frequency():
    texts = ["b b a. a", "b c"]
    words = Tokenizer.learn(texts, "words", 100).pieces[4:]
    assert words == (f"{SPACE}b", f"{SPACE}a", ".", f"{SPACE}c")
    characters = Tokenizer.learn(texts, "characters", 100).pieces[4:]
    assert characters == (SPACE, "b", "a", ".", "c")
    few = Tokenizer.learn(texts, "words", 100, minimum_count=2).pieces[4:]
    assert few == (f"{SPACE}b", f"{SPACE}a")
    few = Tokenizer.learn(texts, "subwords", 100, minimum_count=2)
    assert {c for piece in few.pieces[4:] for c in piece} == {SPACE, "a", "b"}


def test_the_commonest_characters_stay_if_there_is_no_room():
    texts = ["aaaa bbb cc d"]
    actual = Tokenizer.learn(texts, "subwords", 7)
    assert set(actual.pieces[4:]) == {SPACE, "a", "b"}


def test_learning_is_silent(capfd):
    Tokenizer.learn(["hello world", "\u2585", "x" * 5000], "subwords", 30)
    assert capfd.readouterr() == ("", "")


def test_unknown_kind():
    with pytest.raises(ValueError, match=r"kind must be one of .*, not 'bpe'"):
        Tokenizer(SPECIALS, "bpe")
    with pytest.raises(ValueError, match="the first pieces must be"):
        Tokenizer(("a", "b"), "words")


# How a text is cut.


def pieces(tokenizer, text):
    return [tokenizer.pieces[i] for i in tokenizer.encode(text)]


def test_words_keep_their_space_in_front():
    tokenizer = Tokenizer.learn(
        ["Der Mann (der Mann) sagt: 3,5!", "L'\xe9t\xe9 e\u0301"], "words", 99
    )
    assert pieces(tokenizer, "Der Mann (Mann) 3,5!") == [
        f"{SPACE}Der", f"{SPACE}Mann", f"{SPACE}(", "[UNK]", ")",
        f"{SPACE}3", ",", "5", "!",
    ]  # fmt: skip
    assert pieces(tokenizer, "L'\xe9t\xe9 e\u0301") == [
        f"{SPACE}L", "'", "\xe9t\xe9", f"{SPACE}e\u0301",
    ]  # fmt: skip


def test_characters():
    tokenizer = Tokenizer.learn(["The cat"], "characters", 99)
    assert pieces(tokenizer, "The at") == [SPACE, *"The", SPACE, *"at"]


def test_pieces_joined_are_the_text(tokenizer, texts):
    for text in texts[:50]:
        joined = "".join(pieces(tokenizer, text))
        if "[UNK]" not in joined:
            assert joined == "".join(SPACE + word for word in text.split())


def test_unknown_pieces_are_shown(texts):
    subwords = Tokenizer.learn(["a b"], "subwords", 20)
    assert subwords.encode("a \u65e5\u672c b")[1:3] == [
        subwords.pieces.index(SPACE), 1,
    ]  # fmt: skip
    assert subwords.decode(subwords.encode("a \u65e5\u672c b")) == "a \u2047 b"
    characters = Tokenizer.learn(["a b"], "characters", 20)
    actual = characters.decode(characters.encode("a \u65e5\u672c b"))
    assert actual == "a \u2047\u2047 b"
    words = Tokenizer.learn(["a b"], "words", 20)
    assert words.decode(words.encode("a \u65e5\u672c b")) == "a \u2047 b"


# There and back.


def test_nothing_is_lost(tokenizer, texts):
    shuffled = ["  " + text.replace(" ", " \t ") for text in texts]
    kept = 0
    for text, ids in zip(
        shuffled, tokenizer.encode_batch(shuffled), strict=True
    ):
        if tokenizer.UNKNOWN not in ids:
            assert tokenizer.decode(ids) == " ".join(text.split())
            kept += 1
    assert kept > 1000


def test_nothing_is_lost_of_nasty_texts(kind):
    tokenizer = Tokenizer.learn(NASTY, kind, 5000)
    for text in NASTY:
        ids = tokenizer.encode(text)
        if tokenizer.UNKNOWN not in ids:
            assert tokenizer.decode(ids) == normalize(text)
        else:
            assert "\u2585" in text or "\0" in text


def test_decoding_stops_at_the_end(tokenizer):
    ids = tokenizer.encode(NASTY[-1])
    text = tokenizer.decode(ids)
    rows = [
        [2, *ids, 3, 0, 0],
        [*ids, 3, *ids[::-1]],
        [0, 2, *ids, 0, 2, 0],
        [3, *ids],
        [],
    ]
    expected = [text, text, text, "", ""]
    assert [tokenizer.decode(row) for row in rows] == expected
    assert tokenizer.decode(np.array(rows[0], np.int32)) == text
    for row, written in zip(rows, expected, strict=True):
        actual = tokenizer.decode_tensor(tf.constant(row, tf.int32))
        assert actual.numpy().decode() == written


# The graph says the same.


def test_graph_and_python_encode_alike(tokenizer, graphs, kind, texts):
    letters = sorted(set("".join(texts)))
    strings = [
        *NASTY,
        *texts[:500],
        *from_alphabet([*letters, " ", "\u65e5", "\U0001f642"], 200, 120),
        *from_alphabet("ents ", 200, 300),
    ]
    actual = graphs[kind](tensor(strings)).to_list()
    rows = as_lists(tokenizer.encode_batch(strings))
    for text, row, ids in zip(strings, rows, actual, strict=True):
        assert row == ids, text
    assert [tokenizer.encode(text) for text in NASTY] == rows[: len(NASTY)]


def test_no_text_and_empty_texts(tokenizer, graphs, kind):
    assert tokenizer.encode_batch([]) == []
    assert graphs[kind](tf.constant([], tf.string)).to_list() == []
    assert graphs[kind](tf.constant(["", " "])).to_list() == [[], []]
    assert as_lists(tokenizer.encode_batch(["", " "])) == [[], []]
    assert graphs[kind](tf.constant([""])).dtype == tf.int32


def test_broken_bytes_are_read_as_python_reads_them(tokenizer, graphs, kind):
    chance = random.Random(1)
    broken = [bytes(chance.choices(range(256), k=20)) for _ in range(500)]
    # Beginnings of longer sequences, surrogates, the sign for the space.
    parts = [0xE2, 0x96, 0x81, 0x41, 0xF0, 0x9F, 0xC3, 0xED, 0xA0, 0x80, 0x20]
    broken += [bytes(chance.choices(parts, k=20)) for _ in range(500)]
    strings = [raw.decode("utf-8", "replace") for raw in broken]
    actual = graphs[kind](tf.constant(broken)).to_list()
    assert actual == as_lists(tokenizer.encode_batch(strings))


def test_lone_surrogates_do_no_harm(tokenizer):
    assert tokenizer.encode("\ud800") == tokenizer.encode("?")


def test_every_space_of_unicode_is_a_space():
    every = [chr(i) for i in range(0x3100)]
    tokenizer = Tokenizer([*SPECIALS, f"{SPACE}a", f"{SPACE}b"], "words")
    strings = [f"a{character}b" for character in every]
    actual = tokenizer.encode_tensor(tensor(strings)).to_list()
    spaces = {c for c, ids in zip(every, actual, strict=True) if ids == [4, 5]}
    assert spaces == {c for c in every if c.isspace() or c == SPACE}
    others = map(chr, [*range(0x3100, 0xD800), *range(0xE000, 0x110000)])
    assert not any(character.isspace() for character in others)


def test_graph_and_python_decode_alike(tokenizer):
    chance = np.random.default_rng(0)
    ids = chance.integers(0, len(tokenizer), (2, 50, 20), np.int32)
    ids[0, :, 10:] = chance.integers(0, 4, (50, 10))
    actual = tokenizer.decode_tensor(tf.constant(ids))
    assert actual.shape == (2, 50)
    for row, text in zip(
        ids.reshape(-1, 20), actual.numpy().ravel(), strict=True
    ):
        assert tokenizer.decode(row.tolist()) == text.decode("utf-8")


def save_as_module(tokenizer, path):
    module = tf.Module()
    module.tables = tokenizer.tables
    module.encode = tf.function(
        lambda x: tokenizer.encode_tensor(x).to_tensor(),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    module.decode = tf.function(
        tokenizer.decode_tensor,
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
    )
    tf.saved_model.save(module, path)


PROGRAM = """
import sys, tensorflow as tf
texts = sys.stdin.buffer.read().split(b"\\n")
for path in sys.argv[1:4]:
    module = tf.saved_model.load(path)
    ids = module.encode(tf.constant(texts))
    print(ids.numpy().tolist())
    print(module.decode(ids).numpy().tolist())
assert not any(name.startswith(("data_", "sentencep")) for name in sys.modules)

from data_pipelines.text.tokenizers import Tokenizer
tokenizer = Tokenizer.load(sys.argv[4], "subwords")
texts = [text.decode() for text in texts]
seeds = range(len(texts))
print([row.tolist() for row in tokenizer.sample(texts, seeds, 0.3)])
"""


@pytest.mark.slow
def test_in_another_process(tokenizers, texts, tmp_path):
    """A SavedModel needs TensorFlow alone; sampling is by the seed alone."""
    for kind in KINDS:
        save_as_module(tokenizers[kind], tmp_path / kind)
    tokenizers["subwords"].save(tmp_path / "words.txt")
    paths = [str(tmp_path / name) for name in (*KINDS, "words.txt")]
    strings = [text.replace("\n", " ") for text in [*NASTY[:14], *texts[:50]]]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *paths],
        input="\n".join(strings).encode(),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    *modules, sampled = map(ast.literal_eval, done.stdout.decode().splitlines())
    for kind, ids, decoded in zip(
        KINDS, modules[::2], modules[1::2], strict=True
    ):
        rows = as_lists(tokenizers[kind].encode_batch(strings))
        assert [i[: len(r)] for i, r in zip(ids, rows, strict=True)] == rows
        assert [text.decode() for text in decoded] == [
            tokenizers[kind].decode(row) for row in rows
        ]
    seeds = range(len(strings))
    expected = tokenizers["subwords"].sample(strings, seeds, 0.3)
    assert sampled == as_lists(expected)


# Sentencepiece.


def test_saved_and_loaded(tokenizer, kind, texts, tmp_path):
    tokenizer.save(tmp_path / "words.txt")
    loaded = Tokenizer.load(tmp_path / "words.txt", kind)
    assert loaded.pieces == tokenizer.pieces
    assert len(texts) == 2000
    assert as_lists(loaded.encode_batch(texts)) == as_lists(
        tokenizer.encode_batch(texts)
    )


def test_the_list_of_pieces_is_the_whole_of_a_sentencepiece_model(texts):
    """A model as sentencepiece trains it, beside one made of its pieces."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, model_type="bpe",
        vocab_size=700, character_coverage=1.0, pad_id=0, unk_id=1, bos_id=2,
        eos_id=3, pad_piece="[PAD]", unk_piece="[UNK]", bos_piece="[BOS]",
        eos_piece="[EOS]", normalization_rule_name="identity", minloglevel=2,
    )  # fmt: skip
    trained = sentencepiece.SentencePieceProcessor(
        model_proto=written.getvalue()
    )
    ours = Tokenizer(map(trained.id_to_piece, range(len(trained))), "subwords")
    letters = sorted(set("".join(texts)))
    strings = [*texts, *from_alphabet([*letters, " ", "\u65e5"], 500, 60)]
    expected = trained.encode(strings)
    assert as_lists(ours.encode_batch(strings)) == expected
    assert ours.encode_tensor(tf.constant(strings)).to_list() == expected
    for text, ids in zip(strings, expected, strict=True):
        if 1 not in ids:
            assert ours.decode(ids) == trained.decode(ids) == normalize(text)


def merged(pieces, word):
    """Byte-pair encoding as its definition says it, one pair at a time."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    symbols = list(word)
    while True:
        actual = [
            (ids[a + b], place)
            for place, (a, b) in enumerate(itertools.pairwise(symbols))
            if a + b in ids
        ]
        if not actual:
            return [ids[symbol] for symbol in symbols]
        _, place = min(actual)
        symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]


def test_merges_by_the_definition():
    """Lists of pieces that no training would give, of three letters."""
    chance = random.Random(0)
    for _ in range(20):
        longer = {"".join(chance.choices("abc", k=chance.randint(2, 5)))
                  for _ in range(30)}  # fmt: skip
        longer |= {SPACE + piece for piece in list(longer)[:10]}
        learned = [
            *sorted(longer, key=lambda _: chance.random()),
            *"abc",
            SPACE,
        ]
        tokenizer = Tokenizer([*SPECIALS, *learned], "subwords")
        words = from_alphabet("abc", 50, 30, seed=chance.random())
        words = [word for word in words if word]
        expected = [merged(tokenizer.pieces, SPACE + word) for word in words]
        assert as_lists(tokenizer.encode_batch(words)) == expected
        assert tokenizer.encode_tensor(tf.constant(words)).to_list() == expected


# Sampling.


def test_sampling_is_by_the_seed(tokenizers, texts):
    tokenizer = tokenizers["subwords"]
    some, seeds = texts[:200], range(200)
    first = as_lists(tokenizer.sample(some, seeds))
    tokenizer.sample(texts[:7], range(7))
    assert as_lists(tokenizer.sample(some, seeds)) == first
    assert as_lists(tokenizer.sample(some, range(1, 201))) != first
    # Each text alone gives what it gives among others.
    assert as_lists(tokenizer.sample(some[50:60], seeds[50:60])) == first[50:60]
    plain = as_lists(tokenizer.encode_batch(some))
    assert as_lists(tokenizer.sample(some, seeds, dropout=0.0)) == plain
    assert sum(map(len, first)) > sum(map(len, plain))
    for text, ids in zip(texts, first, strict=False):
        assert tokenizer.decode(ids) == text


def test_with_full_dropout_only_characters_are_left(tokenizers, texts):
    tokenizer = tokenizers["subwords"]
    for text, ids in zip(
        texts[:20], tokenizer.sample(texts[:20], range(20), 1.0), strict=True
    ):
        expected = "".join(SPACE + word for word in text.split())
        assert [tokenizer.pieces[i] for i in ids] == list(expected)


def test_how_often_two_pieces_are_not_joined():
    """Of `▁ab` one join is tried, then, if it was made, another one."""
    tokenizer = Tokenizer(
        [*SPECIALS, "ab", f"{SPACE}ab", "a", "b", SPACE], "subwords"
    )
    rows = as_lists(tokenizer.sample(["ab"] * 20_000, range(20_000), 0.3))
    shares = [rows.count(row) / 20_000 for row in ([5], [8, 4], [8, 6, 7])]
    assert shares == pytest.approx([0.49, 0.21, 0.3], abs=0.015)


def test_words_and_characters_are_never_sampled(tokenizers, texts):
    for kind in ("words", "characters"):
        tokenizer = tokenizers[kind]
        assert as_lists(
            tokenizer.sample(texts[:50], range(50), 0.5)
        ) == as_lists(tokenizer.encode_batch(texts[:50]))


# Bad files.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "[PAD]\n[UNK]\na\n",
            ":1: not a vocabulary; its first lines must be [PAD], [UNK], "
            "[BOS] and [EOS]",
        ),
        (
            "[PAD]\n[UNK]\n[BOS]\n[EOS]\na\nab\n",
            ":6: the piece 'ab' has the character 'b', which is no piece "
            "itself; every character needs a line of its own",
        ),
        (
            "[PAD]\n[UNK]\n[BOS]\n[EOS]\na\na\n",
            ":6: the word 'a' is already on line 5",
        ),
        (
            "[PAD]\n[UNK]\n[BOS]\n[EOS]\na",
            ":5: the file is cut off here; every line must end with a line "
            "break",
        ),
    ],
)
def test_bad_files(content, message, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError) as caught:
        Tokenizer.load(path, "subwords")
    assert str(caught.value) == f"{path}{message}"


def test_the_pieces_of_words_need_no_characters(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("[PAD]\n[UNK]\n[BOS]\n[EOS]\nab\n", "utf-8")
    assert Tokenizer.load(path, "words").pieces[4:] == ("ab",)


def test_normalize():
    assert normalize(f" a\u2003b{SPACE}c\n") == "a b c"
    assert normalize("e\u0301") == "e\u0301"
