"""Sentences to batches: their content, their order, the cut of splits."""

import numpy as np
import pytest

from data_pipelines import tagging
from data_pipelines.files.errors import DataError
from data_pipelines.tagging.demo import generator as demo


def write(folder, split, sentences, intents=()):
    """Writes sentences of (word, tag) pairs."""
    folder.mkdir(exist_ok=True)
    blocks = ["".join(f"{w}\t{t}\n" for w, t in s) for s in sentences]
    (folder / f"{split}.txt").write_text("\n".join(blocks), "utf-8")
    if intents:
        (folder / f"{split}.intents").write_text("\n".join(intents) + "\n")
    return folder


def sentences(count, seed=0):
    random = np.random.default_rng(seed)
    for _ in range(count):
        length = random.integers(1, 6)
        words = [f"w{n}" for n in random.integers(0, 9, length)]
        tags = ["O", *["B-x"] * (length - 1)]
        yield list(zip(words, tags, strict=True))


def make(path, **more):
    options = dict(cache_path="nowhere", batch_size=4, seed=0, widths=3)
    return tagging.make_datasets("files", path, **{**options, **more})


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    write(data, "train", sentences(30), ["a", "b", "c"] * 10)
    write(data, "valid", [[("w1", "O"), ("new", "B-y")]], ["a"])
    write(data, "test", sentences(9, 1), ["a", "d", "d"] * 3)
    return data


def test_batches_hold_what_the_files_say(folder):
    data = make(folder)
    assert data.examples == {"train": 30, "valid": 1, "test": 9}
    assert data.labels == ["O", "B-x"]
    assert data.intents == ["a", "b", "c"]
    rows = []
    for (words, shapes, characters), (tags, intents) in data.test.dataset():
        assert words.shape == shapes.shape == tags.shape
        assert characters.shape[:2] == words.shape
        for row in range(len(words)):
            length = int((tags[row] >= 0).numpy().sum())
            ids = words[row, :length].numpy()
            assert (words[row, length:].numpy() == 0).all()
            assert (characters[row, length:].numpy() == 0).all()
            names = [data.features.words.words[n] for n in ids]
            labels = [data.labels[n] for n in tags[row, :length].numpy()]
            rows.append((names, labels, int(intents[row])))
    rows = data.test.in_order(rows)
    for (names, labels, intent), sentence in zip(
        rows, data.test.sentences, strict=True
    ):
        # A digit is a 0 in the vocabulary.
        assert names == [word[0] + "0" for word in sentence.words]
        assert labels == sentence.tags
        assert intent == {"a": 0, "d": -1}[sentence.intent]
    (_, (tags, _)) = next(iter(data.valid.dataset()))
    assert tags.numpy()[0, :2].tolist() == [0, -1]
    printed = "\n".join(data.report())
    assert "note     valid: 1 labels are not in train" in printed
    assert f"count as wrong: B-y; the first: {folder}/valid.txt:2" in printed
    assert "note     test: 6 labels are not in train" in printed


def test_training_starts_at_any_step_and_hides_rare_words(folder):
    pairs = [[(letter, "O"), ("w", "B-x")] for letter in "abcdefghij"]
    write(folder, "train", pairs)
    (folder / "train.intents").write_text("a\n" * 10)
    data = make(folder, batch_size=2)
    stream = list(data.train.dataset(True).take(40))
    later = next(iter(data.train.dataset(True, start_step=6)))
    for ours, theirs in zip(stream[6][0], later[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    ids = np.concatenate([inputs[0].numpy()[:, 0] for inputs, _ in stream])
    frequent = np.concatenate([inputs[0].numpy()[:, 1] for inputs, _ in stream])
    # Of words that train has once a half, of one that it has ten times 1/11.
    assert 0.35 < (ids == 1).mean() < 0.65
    assert (frequent == 1).mean() < 0.25


def test_processes_that_share_a_batch_have_equal_shapes(folder):
    """One half of a batch has short words, the other one has long ones."""
    pairs = [[("w" * n, f"B-{n}")] for n in (1, 1, 1, 9) * 4]
    write(folder, "train", pairs)
    (folder / "train.intents").write_text("a\n" * 16)
    data = make(folder, equal_characters=True)
    for rank in range(2):
        for (_, _, characters), _ in data.train.dataset(
            True, shard=(rank, 2)
        ).take(8):
            assert characters.shape == (2, 1, 9)


def test_missing_splits_are_cut_by_documents(tmp_path):
    text = "".join(
        f"-DOCSTART- O\n\n{'w O' if n % 2 else 'v B-x'}\n\nw O\n\n"
        for n in range(40)
    )
    (tmp_path / "train.txt").write_text(text)
    data = make(tmp_path)
    documents = [
        {s.document for s in split.sentences}
        for split in (data.train, data.valid, data.test)
    ]
    assert sum(map(len, documents)) == len(set.union(*documents)) == 40
    alone = make(tmp_path / "train.txt")
    assert alone.digest == data.digest


def test_labels_are_converted(tmp_path):
    pairs = [("a", "I-x"), ("b", "I-x"), ("c", "B-x"), ("d", "O")]
    write(tmp_path, "train", [pairs] * 3)
    write(tmp_path, "valid", [pairs])
    write(tmp_path, "test", [pairs])
    data = make(tmp_path)
    assert data.train.sentences[0].tags == ["B-x", "I-x", "B-x", "O"]
    assert "of iob1 labels" in "\n".join(data.report())
    data = make(tmp_path, model_scheme="iobes")
    assert data.test.sentences[0].tags == ["B-x", "E-x", "S-x", "O"]


def test_a_parse_has_heads(tmp_path):
    demo.write(tmp_path, sizes={"train": 20, "valid": 3, "test": 3})
    data = make(tmp_path, task="parse", columns=demo.COLUMNS)
    inputs, (heads, relations, pos) = next(iter(data.test.dataset()))
    assert len(inputs) == 4
    # The labels of its words are learned, too.
    assert ((pos.numpy() >= 0) == (heads.numpy() >= 0)).all()
    assert set(data.pos) == {
        t for s in data.train.sentences for t in s.columns["tag"]
    }
    real = inputs[0].numpy() > 0
    assert ((heads.numpy() >= 0) == real).all()
    assert (inputs[3].numpy() == np.maximum(heads, 0)).all()
    roots = (heads.numpy() == 0).sum(axis=1)
    assert (roots == 1).all()
    names = np.array(data.labels)[relations.numpy()[heads.numpy() == 0]]
    assert set(names) == {"root"}


def test_further_columns_are_inputs_and_rare_values_hidden(tmp_path):
    lines = [f"{w} {'ab'[n % 2]} B-x\nv {w} O\n" for n, w in enumerate("cdefg")]
    (tmp_path / "train.txt").write_text("\n".join(lines * 2))
    (tmp_path / "valid.txt").write_text("c b B-x\nv new O\n")
    (tmp_path / "test.txt").write_text("c b B-x\n")
    more = {"columns": "word,kind,tag", "column_features": ["kind"]}
    data = make(tmp_path, **more)
    names = data.features.columns["kind"].words
    inputs, _ = next(iter(data.valid.dataset()))
    assert len(inputs) == 4
    values = [names[n] for n in inputs[3].numpy()[0, :2]]
    assert values == ["b", "[UNK]"]
    assert (inputs[3].numpy()[0, 2:] == 0).all()
    assert "feature  kind: 9 values" in data.report()
    # Of those that train has twice a third are hidden, of six times a seventh.
    stream = [
        inputs[3].numpy() for inputs, _ in data.train.dataset(True).take(300)
    ]
    shares = [
        (ids[:, n] == 1).mean()
        for n in (0, 1)
        for ids in [np.concatenate(stream)]
    ]
    assert 0.1 < shares[0] < 0.2
    assert 0.28 < shares[1] < 0.39
    known = tagging.Known(data.features, data.labels, data.intents, data.pos)
    (tmp_path / "train.txt").unlink()
    again = make(tmp_path, known=known, **more)
    batch = data.valid.planner.once()[0]
    for ours, theirs in zip(
        again.valid.fetch(batch, 0)[0],
        data.valid.fetch(batch, 0)[0],
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_each_of_several_intents_is_right(folder):
    (folder / "test.intents").write_text("c#a\nb\nd # b\n" * 3)
    (folder / "train.intents").write_text("a#b\nb\nc\n" * 10)
    data = make(folder, intent_separator="#")
    assert data.intents == ["a", "b", "c"]
    assert data.test.sentences[0].intents == ("c", "a")
    assert data.test.sentences[2].intents == ("d", "b")
    assert data.test.intents[:3].tolist() == [2, 1, -1]
    assert make(folder).intents == ["a#b", "b", "c"]


def test_an_old_run_needs_no_train_file(folder):
    data = make(folder)
    known = tagging.Known(data.features, data.labels, data.intents, data.pos)
    (folder / "train.txt").unlink()
    (folder / "train.intents").unlink()
    again = make(folder, known=known)
    assert again.examples == {"train": 0, "valid": 1, "test": 9}
    assert again.test.digest() == data.test.digest()
    batch = data.test.planner.once()[0]
    np.testing.assert_array_equal(
        again.test.fetch(batch, 0)[0][0], data.test.fetch(batch, 0)[0][0]
    )
    alone = make(folder / "test.txt", known=known, whole=True)
    assert alone.examples == {"train": 0, "valid": 0, "test": 9}


def test_long_sentences_are_left_out_of_train_alone(folder):
    long = [("w", "O")] * 9
    write(folder, "train", [long, *sentences(29)])
    write(folder, "test", [long] * 9)
    data = make(folder, max_length=8)
    assert data.examples["train"] == 29
    assert data.test.lengths.max() == 9
    assert "train.txt:1: has 9 words; 1 sentences" in "\n".join(data.report())
    # By itself, so that it takes no more memory than a batch of train.
    assert len(data.test.planner.once()[-1].rows) < data.test.planner.batch_size
    data.test.fetch(data.test.planner.once()[-1], 0)
    with pytest.raises(DataError, match=r"train.txt:1: has 9 words, and no"):
        make(folder, max_length=0)


def test_very_long_words_and_empty_sentences_are_told(tmp_path):
    lines = [
        f'{{"words": ["a{letter}", "b"], "tags": ["O", "B-x"]}}'
        for letter in "abcdefghi"
    ]
    lines[3:3] = ['{"text": "", "spans": []}']
    lines[6:6] = [lines[0].replace("b", "b" * 2000, 1)]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(lines))
    notes = "\n".join(make(path).report())
    assert f"{path}:4: has no words; 1 empty sentences are left out" in notes
    assert f"{path}:7: has a word of 2,000 characters; 1 words" in notes


@pytest.mark.parametrize(
    ("tags", "more", "message"),
    [
        ("O O", {}, "train.txt:1: all words have the label 'O'"),
        ("O B-x O I-x", {}, "mixed schemes"),
        ("O I-x", {"scheme": "iob2"}, "train.txt:2: I-x behind O; in IOB2"),
    ],
)
def test_labels_that_cannot_be_are_refused(tmp_path, tags, more, message):
    pairs = [(f"w{n}", tag) for n, tag in enumerate(tags.split())]
    for split in ("train", "valid", "test"):
        write(tmp_path, split, [pairs])
    with pytest.raises(DataError) as error:
        make(tmp_path, **more)
    assert message in str(error.value)


def test_some_sentences_without_an_intent_are_refused(tmp_path):
    lines = ['{"words": ["a"], "tags": ["x"], "intent": "i"}'] * 2
    lines += ['{"words": ["b"], "tags": ["y"]}']
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match="this sentence has no intent"):
        make(tmp_path)


def test_the_demo_is_what_it_says():
    requests = list(demo.generate("test", 0, 2000))
    assert 0.87 < demo.attainable(requests) < 0.91
    for request in requests[:50]:
        rows = list(demo.rows(request))
        heads = [head for _, _, head, _ in rows]
        assert heads.count(0) == 1
        assert all(0 <= head <= len(rows) for head in heads)
        assert all(head != place for place, head in enumerate(heads, 1))
    again = list(demo.generate("test", 0, 2000))
    assert again == requests
