"""The conditional random field against sums over all paths, one by one."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import rnn_layers
from tests.rnn_layers.tools import (
    BATCH,
    MASK,
    PRECISE,
    TIME,
    array,
    close,
    gradients,
    random,
)

LABELS = 3
FORBIDDEN = [(0, 2), (None, 1), (2, None), (1, 1)]
SCORES = random(BATCH, TIME, LABELS)
TARGETS = np.random.default_rng(1).integers(0, LABELS, (BATCH, TIME))


def make(forbidden=(), dtype="float64", labels=LABELS):
    crf = rnn_layers.CRF(labels, forbidden, dtype=dtype)
    crf.build((None, None, labels))
    for seed, weight in enumerate(crf.weights):
        weight.assign(random(*weight.shape, seed=seed))
    return crf


def all_paths(crf, scores, real):
    """(path, its score) of every path that may be, by equation (1)."""
    start, transitions, end = (array(weight) for weight in crf.weights)
    scores = scores[real]
    for path in itertools.product(range(crf.labels), repeat=len(scores)):
        pairs = list(itertools.pairwise([None, *path, None]))
        if path and any(pair in crf.forbidden for pair in pairs):
            continue
        score = sum(scores[step, label] for step, label in enumerate(path))
        if path:
            score += start[path[0]] + end[path[-1]]
            score += sum(transitions[pair] for pair in pairs[1:-1])
        yield path, score


@pytest.mark.parametrize("forbidden", [(), FORBIDDEN], ids=["all", "some"])
def test_sums_and_paths_are_those_over_all_paths(forbidden):
    crf = make(forbidden)
    partition = array(crf.log_partition(SCORES, MASK))
    paths = array(crf.decode(SCORES, MASK))
    marginals = array(crf.marginals(SCORES, MASK))
    likelihood = array(crf.log_likelihood(SCORES, TARGETS, MASK))
    for row, real in enumerate(MASK):
        every = dict(all_paths(crf, SCORES[row], real))
        weights = np.exp(list(every.values()))
        close(partition[row], np.log(weights.sum()))
        assert tuple(paths[row, real]) == max(every, key=every.get)
        assert (paths[row, ~real] == -1).all()
        expected = np.zeros((TIME, LABELS))
        for path, weight in zip(every, weights / weights.sum(), strict=True):
            expected[np.flatnonzero(real), path] += weight
        close(marginals[row], expected)
        target = tuple(TARGETS[row, real].tolist())
        if target in every:
            close(likelihood[row], every[target] - partition[row])
        else:
            assert likelihood[row] < -1e8


def test_negative_targets_are_left_out_like_masked_steps():
    crf = make()
    close(
        crf.log_likelihood(SCORES, np.where(MASK, TARGETS, -1)),
        crf.log_likelihood(SCORES, TARGETS, MASK),
    )


def test_a_padded_row_equals_the_row_alone():
    crf = make(FORBIDDEN)
    for row, real in enumerate(MASK[:-2]):
        alone = SCORES[row : row + 1, real]
        close(
            crf.log_partition(SCORES, MASK)[row],
            crf.log_partition(alone)[0],
        )
        close(
            array(crf.marginals(SCORES, MASK))[row, real],
            crf.marginals(alone)[0],
        )
        path = array(crf.decode(SCORES, MASK))[row, real]
        assert path.tolist() == array(crf.decode(alone))[0].tolist()


@pytest.mark.parametrize("forbidden", [(), FORBIDDEN[:1]], ids=["all", "some"])
def test_gradients_equal_finite_differences(forbidden):
    crf = make(forbidden)
    rows = np.arange(1.0, BATCH + 1)  # each row counts differently

    def loss(scores):
        targets = np.where(TARGETS == 2, 1, TARGETS)  # nothing forbidden
        return ops.sum(rows * crf.log_likelihood(scores, targets, MASK))

    actual = gradients(loss, crf, [SCORES])
    step, tolerance = (1e-5, 1e-7) if PRECISE else (1e-2, 1e-2)
    values = [array(weight) for weight in crf.weights] + [SCORES]
    random_direction = [random(*value.shape, seed=7) for value in values]
    for place, value in enumerate(values):
        # Along one direction: all entries at once.
        ends = []
        for sign in (1, -1):
            moved = list(values)
            moved[place] = value + sign * step * random_direction[place]
            crf.set_weights(moved[:3])
            ends.append(float(loss(ops.convert_to_tensor(moved[3]))))
        crf.set_weights(values[:3])
        expected = (ends[0] - ends[1]) / (2 * step)
        along = (actual[place] * random_direction[place]).sum()
        np.testing.assert_allclose(along, expected, rtol=tolerance)
    for first, second in forbidden:
        assert actual[1][first, second] == 0


def test_long_and_steep_sequences_are_finite_and_exact():
    """Without transitions every step is a softmax of its own."""
    crf = make(dtype="mixed_float16")
    crf.set_weights([np.zeros(w.shape) for w in crf.weights])
    scores = 30 * random(2, 90, LABELS)
    scores[1] *= 1000
    out = crf(ops.cast(scores[:1], "float16"))
    assert keras.backend.standardize_dtype(out.dtype) == "float32"
    expected = np.logaddexp.reduce(scores, axis=-1).sum(axis=-1)
    np.testing.assert_allclose(
        array(crf.log_partition(scores)), expected, rtol=1e-5
    )
    sums = array(crf.marginals(scores)).sum(axis=-1)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    assert (array(crf.decode(scores)) == scores.argmax(axis=-1)).all()


# JAX's trainer hides the weights of layers from metrics.
METRICS_IN_FIT = keras.backend.backend() != "jax"


def model():
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    crf = rnn_layers.CRF(LABELS, [(0, 2)], name="crf")
    built = keras.Model(inputs, crf(keras.layers.Dense(LABELS)(x)))
    built.compile(
        keras.optimizers.Adam(0.3),
        rnn_layers.CRFLoss(crf),
        metrics=[rnn_layers.CRFAccuracy(crf)] if METRICS_IN_FIT else [],
        run_eagerly=True,
    )
    return built


@pytest.mark.filterwarnings("ignore:.*does not support masking")
@pytest.mark.slow
def test_fit_learns_what_no_step_shows_and_a_loaded_model_goes_on(tmp_path):
    """Each word is 1; the labels 0, 1, 2, 1 are told by their order."""
    words = np.array([[1] * 4, [1] * 3 + [0]] * 2, "int32")
    targets = np.tile([0, 1, 2, 1], (4, 1))
    keras.utils.set_random_seed(1)
    built = model()
    built.fit(words, targets, epochs=20, verbose=0, batch_size=8)
    results = built.evaluate(words, targets, verbose=0, return_dict=True)
    crf = built.get_layer("crf")
    scores = crf.log_likelihood(built(words), targets, words > 0)
    np.testing.assert_allclose(
        results["loss"], -array(scores).mean(), rtol=1e-4
    )
    path = array(crf.decode(built(words), words > 0))
    right = (path == targets)[words > 0].mean()
    if METRICS_IN_FIT:
        np.testing.assert_allclose(results["accuracy"], right, rtol=1e-5)
    assert right > 0.6  # one label for all words is right in a half of them
    built.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.evaluate(words, targets, verbose=0, return_dict=True)
    np.testing.assert_allclose(again["loss"], results["loss"], rtol=1e-5)
    before = array(loaded.get_layer("crf").transitions)
    close(before, array(crf.transitions), 1e-6)
    loaded.fit(words, targets, verbose=0, batch_size=8)
    after = array(loaded.get_layer("crf").transitions)
    assert np.abs(after - before).max() > 1e-4


def test_weights_of_rows_and_steps_count():
    crf = make(dtype="float32")
    scores = crf(SCORES.astype("float32"))
    losses = -array(crf.log_likelihood(scores, TARGETS))
    weights = np.array([1.0, 0, 2, 0, 0])
    loss = rnn_layers.CRFLoss(crf)(TARGETS[..., None], scores, weights)
    expected = (losses * weights).sum() / BATCH
    np.testing.assert_allclose(float(loss), expected, rtol=1e-5)
    metric = rnn_layers.CRFAccuracy(crf)
    metric.update_state(TARGETS, scores, weights)
    right = (array(crf.decode(scores)) == TARGETS).mean(axis=1)
    np.testing.assert_allclose(
        float(metric.result()), (right * weights).sum() / 3, rtol=1e-5
    )


def test_a_loss_without_its_layer_is_refused():
    config = rnn_layers.CRFLoss(rnn_layers.CRF(2, name="gone")).get_config()
    with pytest.raises(ValueError, match="There is no CRF layer 'other'"):
        rnn_layers.CRFLoss.from_config({**config, "crf": "other"})


def test_config_survives_a_round_trip():
    crf = rnn_layers.CRF(4, [(0, 1), (None, 2)], name="x")
    again = rnn_layers.CRF.from_config(crf.get_config())
    assert again.get_config() == crf.get_config()
    assert again.forbidden == crf.forbidden


@pytest.mark.parametrize(
    ("labels", "forbidden", "message"),
    [
        (0, [], "`labels` must be a positive integer"),
        (2, [(0, 2)], "`forbidden` has the label 2; there are 2"),
        (2, [(None, None)], "`forbidden` holds pairs"),
        (2, [(0, 1, 1)], "`forbidden` holds pairs"),
        (2, [(0, 0), (0, 1), (0, None)], "Nothing may follow the label 0"),
        (1, [(0, 0), (None, 0)], "Nothing may precede the label 0"),
    ],
)
def test_what_cannot_be_is_refused(labels, forbidden, message):
    with pytest.raises(ValueError, match=message):
        rnn_layers.CRF(labels, forbidden)


def test_scores_of_other_labels_are_refused():
    with pytest.raises(ValueError, match="Scores of 3 labels are needed"):
        rnn_layers.CRF(3)(np.ones((1, 2, 4)))


@pytest.mark.skipif(not PRECISE, reason="TensorFlow's graphs")
def test_a_graph_that_knows_no_sizes_computes_the_same():
    import tensorflow as tf

    crf = make(FORBIDDEN)

    def everything(scores, mask):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            total = crf.log_partition(scores, mask)
        return (
            *(total, tape.gradient(total, scores)),
            *(crf.decode(scores, mask), crf.marginals(scores, mask)),
        )

    specs = tf.TensorSpec((None, None, LABELS), "float64"), (None, None)
    graph = tf.function(everything, [specs[0], tf.TensorSpec(specs[1], "bool")])
    inputs = tf.constant(SCORES), tf.constant(MASK)
    close(graph(*inputs), everything(*inputs), 1e-12)


@pytest.mark.skipif(not PRECISE, reason="TensorFlow's tapes")
def test_gradients_of_second_order_are_exact():
    """The Hessian of the log partition is the covariance of the labels."""
    import tensorflow as tf

    crf = make([(0, 2)])
    scores = tf.constant(SCORES[:1, :3])
    with tf.GradientTape() as outer:
        outer.watch(scores)
        with tf.GradientTape() as inner:
            inner.watch(scores)
            total = crf.log_partition(scores)
        first = inner.gradient(total, scores)
    second = array(outer.jacobian(first, scores)).reshape(9, 9)
    every = list(all_paths(crf, SCORES[0, :3], slice(None)))
    weights = np.exp([score for _, score in every])
    weights /= weights.sum()
    paths = np.array([np.eye(3)[list(path)].ravel() for path, _ in every])
    mean = weights @ paths
    close(second, (paths.T * weights) @ paths - np.outer(mean, mean), 1e-9)
