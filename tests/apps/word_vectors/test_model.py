"""Losses and gradients against sums over single pairs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.word_vectors import model
from apps.word_vectors.config import Config
from data_pipelines.word_vectors.datasets import TILE

WINDOW, SIZE, WIDTH, TILES, NEGATIVES = 2, 9, 4, 2, 3
AROUND = TILE + 2 * WINDOW


@pytest.fixture(scope="module")
def block():
    random = np.random.default_rng(0)
    tokens = random.integers(2, SIZE, (TILES, AROUND + 6)).astype(np.int32)
    left, right = random.integers(
        0, WINDOW + 1, (2, TILES, TILE), dtype=np.int8
    )
    left[0, :3] = right[0, :3] = 0  # words alone, as padding is
    return tokens, left, right


def windows(block):
    """Yields tile, place of a word, and the places in its window."""
    tokens, left, right = block
    for tile in range(len(tokens)):
        for place in range(TILE):
            own = place + WINDOW
            first = own - left[tile, place]
            places = range(first, own + right[tile, place] + 1)
            yield tile, own, [p for p in places if p != own]


def by_pairs(block, kind, vectors, contexts):
    """The sum of the losses as the paper writes it, and how many there are."""
    tokens = block[0]
    total, count = 0.0, 0
    for tile, own, places in windows(block):
        negatives = tokens[tile, AROUND:]
        if kind == "cbow":
            if not places:
                continue
            rows = [vectors[tokens[tile, place]] for place in places]
            read = [(tf.add_n(rows) / len(rows), tokens[tile, own])]
        else:
            read = [
                (vectors[tokens[tile, own]], tokens[tile, place])
                for place in places
            ]
        for vector, target in read:
            count += 1
            total += tf.nn.softplus(-tf.tensordot(vector, contexts[target], 1))
            for negative in negatives:
                if negative != target:
                    logit = tf.tensordot(vector, contexts[negative], 1)
                    share = NEGATIVES / len(negatives)
                    total += share * tf.nn.softplus(logit)
    return total, count


@pytest.fixture
def trained(request):
    kind = request.getfixturevalue("kind")
    config = Config(
        model=kind, window=WINDOW, negatives=NEGATIVES, embedding_size=WIDTH
    )
    trained, _ = model.build(config, SIZE)
    keras.utils.set_random_seed(1)
    for layer in (trained.vectors, trained.contexts):
        layer.set_weights([np.random.normal(size=(SIZE, WIDTH))])
    return trained


def tables(trained):
    return [
        np.array(layer.get_weights()[0])
        for layer in (trained.vectors, trained.contexts)
    ]


def summed(changes):
    """The gradients of both tables, by word."""
    totals = []
    for _, rows, gradient in changes:
        total = np.zeros((SIZE, WIDTH))
        np.add.at(total, np.asarray(rows), np.asarray(gradient))
        totals.append(total)
    return totals


@pytest.mark.parametrize("kind", ["skip_gram", "cbow"])
def test_loss_and_gradients_are_those_of_single_pairs(kind, trained, block):
    vectors, contexts = map(tf.Variable, tables(trained))
    with tf.GradientTape() as tape:
        total, count = by_pairs(block, kind, vectors, contexts)
    expected = [
        np.asarray(tf.convert_to_tensor(gradient))
        for gradient in tape.gradient(total, [vectors, contexts])
    ]
    loss, changes = trained.block(*map(tf.constant, block))
    assert float(loss) == pytest.approx(float(total) / count, rel=1e-5)
    ours = summed(changes)
    np.testing.assert_allclose(ours[1], expected[1], atol=1e-4)
    if kind == "skip_gram":
        np.testing.assert_allclose(ours[0], expected[0], atol=1e-4)


def test_cbow_gives_each_word_the_whole_gradient_of_the_mean(block):
    """Word2vec does so; the true gradient divides it by the window's size."""
    random = np.random.default_rng(2)
    predicted = random.integers(2, SIZE, (1, TILE + 6)).astype(np.int32)
    pairs = np.zeros((1, TILE, AROUND), np.float32)
    pairs[0, 0, :3] = 1
    vectors = tf.Variable(
        random.normal(size=(1, AROUND, WIDTH)), dtype="float32"
    )
    contexts = tf.constant(random.normal(size=(1, TILE + 6, WIDTH)), tf.float32)
    arguments = predicted, pairs, vectors, contexts, NEGATIVES
    with tf.GradientTape() as tape:
        loss = model.cbow(*arguments)[0]
    gradient = tf.convert_to_tensor(tape.gradient(loss, vectors))
    _, ours, _ = model.cbow(*arguments)
    np.testing.assert_allclose(ours, 3 * gradient, atol=1e-5)


def test_a_window_is_what_its_sides_say(block):
    inside = np.asarray(model.in_window(block[1], block[2], WINDOW))
    expected = np.zeros_like(inside)
    for tile, own, places in windows(block):
        expected[tile, own - WINDOW, places] = 1
    np.testing.assert_array_equal(inside, expected)


@pytest.mark.parametrize("kind", ["skip_gram", "cbow"])
def test_a_step_changes_block_after_block(kind, trained, block):
    """As by hand; blocks that are not in use change nothing."""
    model.compile_model(trained, Config(learning_rate=0.1), 10)
    trained.optimizer.build(trained.trainable_variables)
    other = [np.roll(part, 1, axis=1) for part in block]
    start = tables(trained)
    for used in (block, other):
        _, changes = trained.block(*map(tf.constant, used))
        for layer, change in zip(
            (trained.vectors, trained.contexts), summed(changes), strict=True
        ):
            layer.set_weights([layer.get_weights()[0] - 0.1 * change])
    expected = tables(trained)
    for layer, values in zip(
        (trained.vectors, trained.contexts), start, strict=True
    ):
        layer.set_weights([values])
    arrays = [
        np.stack([*parts, parts[0]]) for parts in zip(block, other, strict=True)
    ]
    batch = dict(zip(("tokens", "left", "right"), arrays, strict=True))
    data = tf.data.Dataset.from_tensors({**batch, "blocks": np.int32(2)})
    history = trained.fit(data, verbose=0).history
    for ours, theirs in zip(tables(trained), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert int(trained.optimizer.iterations.numpy()) == 1
    assert np.isfinite(history["loss"]).all()


def test_the_learning_rate_falls_to_nothing():
    trained, _ = model.build(Config(embedding_size=2), SIZE)
    model.compile_model(trained, Config(learning_rate=0.5), 10)
    rates = []
    for step in (0, 5, 10):
        trained.optimizer.iterations.assign(step)
        rates.append(float(trained.optimizer.learning_rate))
    np.testing.assert_allclose(rates, [0.5, 0.250025, 0.00005], rtol=1e-3)


def test_special_words_have_no_vector():
    trained, word_vectors = model.build(Config(embedding_size=3), SIZE)
    first, contexts = tables(trained)
    assert not first[:2].any()
    assert not contexts.any()
    assert np.abs(first[2:]).max() <= 0.5 / 3
    np.testing.assert_array_equal(word_vectors(np.array([4, 0])), first[[4, 0]])
