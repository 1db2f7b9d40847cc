import gzip
import itertools
import os
import random
import re

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.translation import pair_store
from data_pipelines.translation import pipeline as translation
from data_pipelines.translation.batching import Bucket, Buckets
from data_pipelines.translation.demo import generator as demo

SOURCE = """the a small old red house dog cat sees takes has and
    under""".split()  # noqa: SIM905
TARGET = """das ein klein alt rot Haus Hund Katze sieht nimmt hat und
    unter""".split()  # noqa: SIM905
PUBLIC = [name for name in translation.SOURCES if "/" in name]


def sentences(count, seed=0, longest=14):
    """Pairs (source, target), word for word and all different."""
    chance = random.Random(seed)
    found = {}
    while len(found) < count:
        words = chance.choices(range(len(SOURCE)), k=chance.randint(2, longest))
        target = [TARGET[i] for i in words if i or chance.random() < 0.5]
        source = " ".join(SOURCE[i] for i in words)
        found[source] = " ".join(target) or "und"
    return list(found.items())


def write(folder, split, rows, languages=("en", "de")):
    for side, language in enumerate(languages):
        text = "".join(row[side] + "\n" for row in rows)
        (folder / f"{split}.{language}").write_text(text, "utf-8")


@pytest.fixture
def folder(tmp_path):
    """Aligned files of 600, 40 and 50 pairs."""
    place = tmp_path / "pairs"
    place.mkdir()
    for seed, (split, count) in enumerate(
        (("train", 600), ("valid", 40), ("test", 50))
    ):
        write(place, split, sentences(count, seed))
    return place


def make(folder, dataset="files", **changes):
    options = dict(
        cache_path=folder.parent / "cache",
        languages="en-de",
        vocabulary_size=100,
        batch_tokens=200,
        max_length=30,
        seed=0,
    )
    return translation.make_datasets(dataset, folder, **{**options, **changes})


def fails(folder, **changes):
    with pytest.raises(DataError) as caught:
        make(folder, **changes)
    message = str(caught.value)
    assert "\n" not in message
    cache = folder.parent / "cache"
    if cache.exists():
        assert not list(cache.glob(".tmp-*"))
    return message.replace(str(folder), "FOLDER")


def batches(dataset, count=10**9):
    return [(s.numpy(), t.numpy()) for s, t in dataset.take(count)]


def written(split):
    return list(zip(split.source_texts, split.target_texts, strict=True))


def texts_of(data, source, target):
    """The sentences of a batch."""
    return [
        (data.source_tokenizer.decode(s), data.target_tokenizer.decode(t))
        for s, t in zip(source.tolist(), target.tolist(), strict=True)
    ]


# What is read.


def test_aligned_files(folder):
    data = make(folder)
    assert data.examples == {"train": 600, "valid": 40, "test": 50}
    assert data.languages == ("en", "de")
    for seed, split in enumerate((data.train, data.valid, data.test)):
        assert written(split) == sentences(len(split), seed)
    assert written(data.test)[7] == sentences(50, 2)[7]
    assert data.test.target_texts[3:5] == [t for _, t in sentences(50, 2)[3:5]]
    assert data.test.target_texts[-1] == sentences(50, 2)[-1][1]


def test_languages_say_the_direction(folder):
    data = make(folder, languages="de-en")
    assert data.languages == ("de", "en")
    assert written(data.test) == [(t, s) for s, t in sentences(50, 2)]


def test_white_space_is_one_space(folder):
    (folder / "test.en").write_text("\ufeff a\u2003 b\t\r\nc\r\n", "utf-8")
    (folder / "test.de").write_text("x\n  y \u2581z", "utf-8")
    assert written(make(folder).test) == [("a b", "x"), ("c", "y z")]


def test_gzipped_files(folder):
    for path in list(folder.iterdir()):
        raw = path.read_bytes()
        path.unlink()
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(raw))
    assert written(make(folder).test) == sentences(50, 2)


@pytest.mark.parametrize("header", ["en\tde", "de\ten", ""])
@pytest.mark.parametrize("languages", ["en-de", "de-en", ""])
def test_tables(folder, header, languages):
    rows = sentences(50, 2)
    for path in folder.iterdir():
        path.unlink()
    places = (1, 0) if header == "de\ten" else (0, 1)
    lines = [header] if header else []
    for split, pairs_of_it in (("train", sentences(600)), ("test", rows)):
        body = [f"{row[places[0]]}\t{row[places[1]]}" for row in pairs_of_it]
        text = "\n".join([*lines, *body, ""])
        (folder / f"{split}.tsv").write_text(text, "utf-8")
    if not header and not languages:
        assert fails(folder, languages="") == (
            "FOLDER/train.tsv:1: the first line does not name two languages; "
            "add --languages en-de, or what the columns are, or a first line "
            "en, tab, de"
        )
        return
    data = make(folder, languages=languages)
    expected = languages or header.replace("\t", "-")
    assert "-".join(data.languages) == expected
    # Without a header the columns are what --languages says.
    if header and expected == "de-en":
        rows = [(target, source) for source, target in rows]
    assert written(data.test) == rows


def test_a_table_of_valid_with_lines_that_look_like_languages(folder):
    (folder / "valid.en").unlink()
    (folder / "valid.de").unlink()
    (folder / "valid.tsv").write_text("so\tja\nthe\tdas\n", "utf-8")
    assert written(make(folder).valid) == [("so", "ja"), ("the", "das")]


def test_demo(tmp_path):
    data = translation.make_datasets(
        "demo", cache_path=tmp_path, vocabulary_size=3000, batch_tokens=1500,
        max_length=60, seed=3,
    )  # fmt: skip
    assert data.languages == ("en", "fr")
    assert data.examples == demo.SIZES
    expected = [(pair.english, pair.french) for pair in demo.splits()["test"]]
    assert written(data.test) == expected
    assert data.unknown_rate["test"] == {"source": 0, "target": 0}
    with pytest.raises(DataError, match=r"^demo: takes no --data-path FOLDER"):
        make(tmp_path, "demo")


def test_pairs_with_an_empty_side_are_skipped_and_counted(folder):
    rows = sentences(600)
    rows[4:4] = [("", "x"), ("a", " "), ("", ""), ("\u2581", "x")]
    write(folder, "train", rows)
    data = make(folder)
    assert written(data.train) == sentences(600)
    assert (
        f"note     {folder}/train.en and train.de: 4 pairs with an empty side "
        "left out, the first on line 5"
    ) in data.report()


def test_broken_bytes_are_repaired_and_counted(folder):
    write(folder, "test", [("a", "b"), ("c", "d")])
    (folder / "test.de").write_bytes(b"\xffb\nd \xfe\n")
    data = make(folder)
    assert written(data.test) == [("a", "\ufffdb"), ("c", "d \ufffd")]
    assert any("2 bytes that are not UTF-8" in line for line in data.report())


# Splits.


@pytest.mark.parametrize("missing", [["valid"], ["test"], ["valid", "test"]])
def test_missing_splits_are_cut_from_train(folder, missing):
    again = [(source, "anders") for source, _ in sentences(600)[:300]]
    write(folder, "train", sentences(600) + again)
    for split, language in itertools.product(missing, ("en", "de")):
        (folder / f"{split}.{language}").unlink()
    data = make(folder)
    train = set(data.train.source_texts)
    total = len(data.train)
    for split in missing:
        found = getattr(data, split)
        assert not train & set(found.source_texts)
        assert 30 < len(set(found.source_texts)) < 90
        total += len(found)
        # In the order of the file.
        order = [sentences(600).index(p) for p in written(found) if p in
                 sentences(600)]  # fmt: skip
        assert order == sorted(order)
    assert total == 900
    other = make(folder, seed=1)
    for split in missing:
        assert written(getattr(other, split)) != written(getattr(data, split))
        same = make(folder, cache_path=folder.parent / "again")
        assert written(getattr(same, split)) == written(getattr(data, split))


def test_three_pairs_are_enough(folder):
    for path in folder.iterdir():
        path.unlink()
    write(folder, "train", sentences(3))
    data = make(folder)
    assert list(data.examples.values()) == [1, 1, 1]
    source, target = batches(data.train.dataset(training=True), 1)[0]
    assert texts_of(data, source, target) == written(data.train)
    write(folder, "train", sentences(2))
    assert fails(folder) == (
        "FOLDER/train.en and train.de: too few different sentences to cut "
        "valid and test from; expected at least 3, or your own valid and "
        "test"
    )


def test_vocabulary_is_from_train_only(folder):
    write(folder, "test", [("the zebra \u65e5", "das Zebra \u65e5")] * 2)
    for tokens in ("words", "characters", "subwords"):
        data = make(folder, tokens=tokens)
        for tokenizer in (data.source_tokenizer, data.target_tokenizer):
            pieces = "".join(tokenizer.pieces[4:])
            assert not {"b", "Z", "\u65e5"} & set(pieces)
        assert data.unknown_rate["train"] == {"source": 0, "target": 0}
        assert data.unknown_rate["test"]["source"] > 0
    words = make(folder, tokens="words")
    assert words.unknown_rate["test"] == {"source": 2 / 3, "target": 2 / 3}


def test_tokens_and_sizes(folder):
    data = make(folder, tokens="words", vocabulary_size=8)
    assert len(data.source_tokenizer) == len(data.target_tokenizer) == 8
    assert data.source_tokenizer.kind == "words"
    rare = make(folder, tokens="words", minimum_count=10**6)
    assert len(rare.source_tokenizer) == 4


def test_an_old_run_on_new_data(folder):
    old = make(folder).tokenizers
    for path in folder.glob("*"):
        if path.stem != "test":
            path.unlink()
    write(folder, "test", [("the zebra", "das Zebra")])
    data = make(folder, tokenizers=old)
    assert data.tokenizers == old
    assert data.examples == {"train": 0, "valid": 0, "test": 1}
    ((source, _),) = batches(data.test.dataset())
    assert source[0].tolist() == [*old[0].encode("the zebra"), 3]
    assert list(data.train.sources(8)) == []
    assert data.train.in_order([]) == []
    assert "train    no pairs" in data.report()
    with pytest.raises(ValueError, match="there are no examples"):
        data.train.dataset()
    assert fails(folder) == (
        "FOLDER: has no train files; expected train.en and train.de, or "
        "train.tsv, or these with .gz; found test.de, test.en"
    )


# Batches.


def test_batches_hold_the_sentences(folder):
    data = make(folder)
    found = []
    for source, target in batches(data.test.dataset()):
        assert source.dtype == target.dtype == np.int32
        assert (target[:, 0] == Tokenizer.BEGIN).all()
        for rows in (source, target):
            lengths = (rows != Tokenizer.PADDING).sum(axis=1)
            last = rows[np.arange(len(rows)), lengths - 1]
            assert (last == Tokenizer.END).all()
            assert (rows == Tokenizer.END).sum() == len(rows)
            for row, length in zip(rows, lengths, strict=True):
                assert not row[length:].any()
        found += texts_of(data, source, target)
    assert sorted(found) == sorted(written(data.test))


def test_spec_and_cardinality(folder):
    split = make(folder).train
    stream, once = split.dataset(training=True), split.dataset()
    spec = tf.TensorSpec((None, None), tf.int32)
    assert stream.element_spec == once.element_spec == (spec, spec)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    assert once.cardinality() == len(batches(once))


def test_evaluation_is_by_length_in_few_shapes(folder):
    split = make(folder).train
    found = batches(split.dataset())
    longest = [int((t > 0).sum(axis=1).max()) for _, t in found]
    widths = [t.shape[1] for _, t in found]
    assert widths == sorted(widths)
    assert max(longest) == widths[-1]
    assert len({(s.shape[1], t.shape[1]) for s, t in found}) <= 15


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_the_budget_of_tokens_is_held_in_few_shapes(folder, dropout):
    split = make(folder, subword_dropout=dropout).train
    steps = split.steps_per_pass
    found = batches(split.dataset(training=True), 3 * steps)
    shapes = {(s.shape, t.shape) for s, t in found}
    assert len(shapes) <= 15
    assert shapes == {
        ((b.size, b.widths[0]), (b.size, b.widths[1]))
        for b in split.training_planner.buckets
    }
    for source, target in found:
        assert source.size <= 200
        assert target.size <= 200


def test_every_pair_once_a_pass_and_nearly_all(folder):
    data = make(folder)
    split = data.train
    steps = split.steps_per_pass
    found = batches(split.dataset(training=True), 4 * steps)
    left = []
    for first in range(0, 4 * steps, steps):
        rows = [
            pair
            for b in found[first : first + steps]
            for pair in texts_of(data, *b)
        ]
        assert len(set(rows)) == len(rows)
        assert len(rows) >= 0.95 * 600
        left.append(set(written(split)) - set(rows))
    assert set.intersection(*left) == set()
    first = [t for b in found[:steps] for t in b[1]]
    expected = sum((row > 0).sum() - 1 for row in first)
    assert split.tokens_per_pass == expected


def test_lengths(folder):
    data = make(folder, max_length=9)
    expected = [
        min(len(data.target_tokenizer.encode(text)) + 1, 9)
        for text in data.train.target_texts
    ]
    assert data.train.lengths.tolist() == expected


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_stream_can_start_at_any_step(folder, dropout):
    options = dict(subword_dropout=dropout, batch_tokens=600)
    split = make(folder, **options).train
    steps = split.steps_per_pass
    whole = batches(split.dataset(training=True), 2 * steps + 3)
    again = make(folder, **options).train
    for start in (0, 1, steps - 1, steps, steps + 1, 2 * steps + 1):
        resumed = batches(again.dataset(training=True, start_step=start), 2)
        for batch, expected in zip(
            resumed, whole[start : start + 2], strict=True
        ):
            np.testing.assert_array_equal(batch[0], expected[0])
            np.testing.assert_array_equal(batch[1], expected[1])
    assert len(batches(split.dataset(True, start_step=10**12), 1)) == 1


def test_the_order_is_by_seed_and_pass(folder):
    def order(seed, epoch):
        split = make(folder, seed=seed).train
        plan = split.training_planner.plan(seed, epoch)
        return [row for batch in plan for row in batch.rows.tolist()]

    orders = [order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert order(1, 1) == orders[3]
    for first, second in itertools.combinations(orders, 2):
        assert first != second


def test_dropout_cuts_anew_in_each_pass(folder):
    data = make(folder, subword_dropout=0.2)
    split = data.train
    steps = split.steps_per_pass
    found = batches(split.dataset(training=True), 2 * steps)
    passes = []
    for part in (found[:steps], found[steps:]):
        rows = {}
        for source, target in part:
            for pair, ids in zip(
                texts_of(data, source, target), target.tolist(), strict=True
            ):
                rows[pair] = [i for i in ids if i]
        assert set(rows) <= set(written(split))
        passes.append(rows)
    both = set(passes[0]) & set(passes[1])
    differ = sum(passes[0][pair] != passes[1][pair] for pair in both)
    assert differ > 0.5 * len(both)
    # Valid and test are cut as ever.
    for source, target in batches(data.valid.dataset()):
        for (text, _), ids in zip(
            texts_of(data, source, target), source.tolist(), strict=True
        ):
            assert [i for i in ids if i > 3] == data.source_tokenizer.encode(
                text
            )


def test_dropout_is_of_subwords(folder):
    assert fails(folder, tokens="words", subword_dropout=0.1) == (
        "--subword-dropout is for --tokens subwords, not for words"
    )


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("longest", [2, 14])
def test_few_pairs(folder, count, longest):
    write(folder, "train", sentences(count, longest=longest))
    data = make(folder, batch_tokens=2000)
    assert data.train.steps_per_pass == 1
    for batch in batches(data.train.dataset(training=True), 3):
        assert sorted(texts_of(data, *batch)) == sorted(written(data.train))
    assert data.report()


def test_long_sentences_are_cut_and_counted(folder):
    rows = sentences(50, 2)
    rows[3] = ("the " * 40, rows[3][1])
    write(folder, "test", rows)
    data = make(folder, tokens="words", max_length=20)
    found = [row for s, _ in batches(data.test.dataset()) for row in s]
    longest = max(found, key=np.count_nonzero)
    the = data.source_tokenizer.encode("the")
    assert longest.tolist() == [*the * 19, Tokenizer.END]
    assert "note     test: 1 en sentences cut after 19 tokens" in data.report()


def test_a_sentence_longer_than_the_budget_is_a_batch(folder):
    write(folder, "train", [*sentences(30), ("the " * 90, "das " * 100)])
    data = make(folder, tokens="words", max_length=200, batch_tokens=50)
    buckets = data.train.training_planner.buckets
    assert (1, (91, 102)) in {(b.size, b.widths) for b in buckets}
    found = batches(
        data.train.dataset(training=True), data.train.steps_per_pass
    )
    assert sum(len(source) for source, _ in found) >= 29


def test_padding_is_measured(folder):
    split = make(folder, batch_tokens=800).train
    assert split.steps_per_pass < 20
    found = batches(split.dataset(training=True), split.steps_per_pass)
    real = sum((s > 0).sum() + (t > 0).sum() for s, t in found)
    size = sum(s.size + t.size for s, t in found)
    assert split.padding == pytest.approx(1 - real / size)


def test_groups_have_little_padding_in_few_shapes():
    """Under a third of what batches of any lengths have."""
    chance = np.random.default_rng(0)
    source = np.clip(chance.lognormal(2.6, 0.35, 20_000), 4, 60).astype(int)
    target = np.clip(source * chance.normal(1.05, 0.2, 20_000), 4, 70)
    lengths = np.stack([source, target.astype(int)])
    planner = Buckets.of(lengths, 3000)
    assert len(planner.buckets) == 15
    plan = planner.plan(0, 0)
    size = sum(len(rows) * sum(widths) for rows, widths in plan)
    real = sum(lengths[:, rows].sum() for rows, _ in plan)
    apart = chance.permutation(20_000).reshape(200, 100)
    usual = sum(100 * lengths[:, rows].max(axis=1).sum() for rows in apart)
    assert 1 - real / size < 0.3 * (1 - lengths.sum() / usual)
    used = sum(len(rows) for rows, _ in plan)
    assert used > 0.985 * 20_000


@pytest.mark.parametrize(
    ("rows", "most"),
    [(1, 1), (1, 9), (7, 1), (9, 9), (21, 2), (39, 33), (6245, 133)],
)
def test_the_size_of_a_batch(rows, most):
    size = Bucket(np.arange(rows), (9, 9), most).size
    assert 1 <= size <= min(rows, most)
    assert rows % size <= rows / 10
    assert size >= min(rows, most) / 2


# Decoding.


def test_sources_are_sorted_and_come_back_in_order(folder):
    data = make(folder)
    found = list(data.train.sources(64))
    assert [len(rows) for rows in found] == [64] * 9 + [24]
    lengths = np.concatenate([(rows > 0).sum(axis=1) for rows in found])
    assert (np.diff(lengths) >= 0).all()
    assert len({rows.shape[1] for rows in found}) <= 8
    decoded = [
        data.source_tokenizer.decode(row) for rows in found for row in rows
    ]
    assert data.train.in_order(decoded) == list(data.train.source_texts)
    back = data.train.in_order(lengths)
    assert isinstance(back, np.ndarray)
    assert (
        back[5]
        == len(data.source_tokenizer.encode(data.train.source_texts[5])) + 1
    )


# The cache.


def test_the_second_time_nothing_is_read(folder, monkeypatch):
    first = make(folder)

    def never(*_):
        raise AssertionError("done again")

    monkeypatch.setattr(pair_store, "build", never)
    monkeypatch.setattr(Tokenizer, "learn", never)
    monkeypatch.setattr(Tokenizer, "encode_batch", never)
    changes = ({}, {"seed": 5}, {"max_length": 5, "batch_tokens": 90})
    for change in changes:
        again = make(folder, **change)
        assert written(again.test) == written(first.test)
        assert again.source_tokenizer.pieces == first.source_tokenizer.pieces


def test_a_changed_file_is_read_again(folder):
    make(folder)
    write(folder, "test", sentences(50, 7))
    assert written(make(folder).test) == sentences(50, 7)
    os.utime(folder / "test.en", ns=(1, 1))
    count = len(list((folder.parent / "cache").iterdir()))
    make(folder)
    assert len(list((folder.parent / "cache").iterdir())) == count + 3


def test_report(folder):
    rows = sentences(40, 2) + sentences(600)[:10]
    write(folder, "test", rows)
    again = len({s for s, _ in rows} & {s for s, _ in sentences(600)})
    lines = make(folder).report()
    assert re.fullmatch(
        r"train    600 pairs; tokens a sentence: [\d.]+ en \(0\.00% unknown\), "
        r"[\d.]+ de \(0\.00% unknown\)",
        lines[0],
    )
    assert re.fullmatch(r"pieces   \d+ en, \d+ de \(subwords\)", lines[3])
    assert re.fullmatch(
        r"batches  \d+ a pass, \d+ different shapes, \d+\.\d% padding",
        lines[4],
    )
    assert lines[5:] == [
        f"note     {again} source sentences of test are in train"
    ]


# What is wrong with files.


def test_unequal_numbers_of_lines(folder):
    write(folder, "valid", sentences(40, 1))
    with (folder / "valid.de").open("a") as file:
        file.write("zu viel\n")
    assert fails(folder) == (
        "FOLDER/valid.en:41: valid.en has 40 lines and valid.de has 41; line "
        "n of one must be the translation of line n of the other"
    )


def test_missing_files_and_languages(folder):
    (folder / "test.de").rename(folder / "test.fr")
    assert fails(folder) == (
        "FOLDER: has test.en but no test.de; found test.en, test.fr"
    )
    assert fails(folder, languages="it-es") == (
        "FOLDER: has no train files; expected train.it and train.es, or "
        "train.tsv, or these with .gz; found train.de, train.en, valid.de, "
        "valid.en, test.en, test.fr"
    )
    assert fails(folder, languages="") == (
        "FOLDER: which way to translate? add --languages with one of de-en, "
        "en-de"
    )
    assert fails(folder, languages="ende") == (
        "--languages ende: expected source and target as the files' endings "
        "with a hyphen between, such as en-de"
    )
    assert fails(folder, languages="en-en") == (
        "--languages en-en: source and target are the same; expected two "
        "languages, such as en-de"
    )


def test_folders(folder, tmp_path):
    empty = tmp_path / "empty"
    assert fails(empty) == "FOLDER: there is no such folder"
    empty.mkdir()
    for languages in ("", "en-de"):
        assert fails(empty, languages=languages) == (
            "FOLDER: has no train files; expected train.en and train.de, or "
            "train.tsv, or these with .gz"
        )
    with pytest.raises(DataError, match=r"^--data-path FOLDER is needed"):
        translation.make_datasets(
            "files", cache_path=tmp_path, vocabulary_size=10, batch_tokens=10,
            max_length=10, seed=0,
        )  # fmt: skip


def test_one_kind_of_file_for_each_split(folder):
    (folder / "train.en.gz").write_bytes(b"")
    assert fails(folder) == (
        "FOLDER: holds train.en and train.en.gz; expected one train.en"
    )
    (folder / "train.en.gz").unlink()
    (folder / "train.tsv").write_text("en\tde\na\tb\n")
    assert fails(folder) == (
        "FOLDER: holds train.tsv and train.en; expected one or the other"
    )


def test_columns_of_a_table(folder):
    for path in folder.glob("train.*"):
        path.unlink()
    table = folder / "train.tsv"
    table.write_text("en\tde\na\tb\n\nc\n")
    assert fails(folder) == (
        "FOLDER/train.tsv:4: expected 2 columns, found 1; a line is a "
        "sentence, one tab, and its translation"
    )
    table.write_text("en\tfr\na\tb\n")
    assert fails(folder) == (
        "FOLDER/train.tsv:1: the columns are en and fr, expected en and de, "
        "as --languages says"
    )


def test_nothing_but_empty_lines(folder):
    write(folder, "train", [("", "a"), ("b", "")])
    assert fails(folder) == (
        "FOLDER/train.en and train.de: none of the 2 lines has a sentence on "
        "both sides"
    )


def test_files_that_are_no_text(folder):
    path = folder / "train.de"
    raw = path.read_bytes()
    path.write_bytes(raw.decode().encode("utf-16"))
    assert fails(folder) == (
        "FOLDER/train.de:1: the file is UTF-16; save it as UTF-8"
    )
    path.write_bytes(gzip.compress(raw)[:-20])
    assert re.fullmatch(
        r"FOLDER/train\.de:\d+: the gzip file is damaged or cut off here; "
        r"compress or copy it again \(.*\)",
        fails(folder),
    )
    path.write_bytes(b"")
    assert fails(folder) == "FOLDER/train.de: the file is empty"
    path.write_bytes(b"x" * 2**24 + b"\n" + raw)
    assert fails(folder) == (
        "FOLDER/train.de:1: the line is longer than 16,777,216 bytes; "
        "expected one record per line of text"
    )


def test_the_same_text_on_both_sides(folder):
    write(folder, "train", [(s, s) for s, _ in sentences(600)])
    assert fails(folder) == (
        "FOLDER/train.en and FOLDER/train.de: 600 of 600 lines are the same "
        "on both sides; expected two languages"
    )


def test_exchanged_files(folder):
    write(folder, "valid", sentences(40, 1), ("de", "en"))
    assert fails(folder) == (
        "FOLDER/valid.en reads like FOLDER/train.de, and FOLDER/valid.de like "
        "FOLDER/train.en; exchange the two"
    )
    write(folder, "valid", sentences(10, 1), ("de", "en"))
    assert len(make(folder).valid) == 10


# Public sets.


def as_dataset(self, split=None, **_):
    """Pairs with the languages that the set declares."""
    languages = list(self.info.features)

    def examples():
        for i in range({"train": 120}.get(split, 30)):
            yield {
                name: f"{name} {split} número {i}".encode()
                + b" \xff" * (i == 3)
                for name in languages
            }

    specs = {name: tf.TensorSpec((), tf.string) for name in languages}
    return tf.data.Dataset.from_generator(examples, output_signature=specs)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_sets(name, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    own = tuple(re.split("_to_|-", name.split("/")[1]))
    with pytest.raises(DataError) as caught:
        make(tmp_path / "tfds", name, languages="")
    assert re.fullmatch(
        rf"{name}: not found in .*; add --download to fetch it",
        str(caught.value),
    )
    assert not (tmp_path / "cache").exists()
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = make(tmp_path / "tfds", name, languages="")
        other = make(tmp_path / "tfds", name, languages="-".join(own[::-1]))
    assert data.languages == own
    assert data.examples == {"train": 120, "valid": 30, "test": 30}
    assert written(data.test)[7] == tuple(f"{n} test número 7" for n in own)
    assert other.languages == own[::-1]
    assert other.test.target_texts[7] == f"{own[0]} test número 7"
    assert any("2 bytes that are not UTF-8" in line for line in data.report())


def test_languages_of_a_public_set(tmp_path):
    name = "ted_hrlr_translate/pt_to_en"
    assert fails(tmp_path / "x", dataset=name, languages="en-de") == (
        f"{name}: --languages en-de: expected pt-en or en-pt"
    )
