"""What is converted: cells, loops, embeddings; int8 weights."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

import rnn_layers
from apps.common import networks, runs
from apps.common.networks import Network, Tensor
from tests.apps.common.portable import X, random, simple, written
from tests.apps.tools import needs_formats

pytestmark = needs_formats


@pytest.fixture
def run(tmp_path):
    return runs.Run("sentiment", tmp_path, {})


def of_cell(name):
    """A network that runs a cell over a sequence, and then one step more."""
    stack = rnn_layers.stack(name, 5, return_sequences=True)
    stack.build((None, None, 3))
    for weight in stack.weights:  # zeros would hide what is left out
        weight.assign(random(*weight.shape) / 2)

    def function(x):
        outputs, states = stack.run(x)
        last, states = stack.step(x[:, 0], states)
        states = networks.named("state", states)
        return {"outputs": outputs, "last": last, **states}

    examples = [(random(2, 4, 3),), (random(3, 7, 3),)]
    return Network("cell", function, [X], {"outputs": "", "last": ""}, examples)


def check_cell(run, name):
    network = of_cell(name)
    onnx, litert = written(run, network)
    for size in (1, 5):  # of none of the examples
        x = random(size, 6, 3)
        answer, live = onnx(x=x), network.function(tf.constant(x))
        assert answer.keys() == live.keys()
        for key, value in live.items():
            np.testing.assert_allclose(answer[key], value, 1e-5, 1e-5)
    x = random(1, 4, 3)
    answer = litert(x=x)
    for key, value in network.function(tf.constant(x)).items():
        np.testing.assert_allclose(answer[key], value, 1e-5, 1e-5)


@pytest.mark.parametrize("name", ["peephole_lstm", "slstm"])
def test_a_cell_answers_alike_in_both_forms(run, name):
    check_cell(run, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", rnn_layers.names())
def test_every_cell_answers_alike_in_both_forms(run, name):
    check_cell(run, name)


def test_what_is_no_number_stays_none(run):
    """tf2onnx would select by a product with zero."""
    network = simple(lambda x: {"y": tf.where(x > 0, tf.math.log(x), 7.0)})
    (onnx,) = written(run, network, forms=["onnx"])
    x = np.array([[-1, 1], [np.nan, 2]], "float32")
    assert onnx(x=x)["y"].tolist() == [[7, 0], [7, pytest.approx(np.log(2))]]


@pytest.mark.parametrize(("quantize", "copies"), [(False, 1), (True, 2 / 4)])
def test_an_embedding_that_gives_logits_too_is_stored_once(
    run, quantize, copies
):
    """As int8 it stands twice, each with a scale of its own."""
    table = tf.constant(random(900, 8))
    network = Network(
        "tied",
        lambda ids: {"y": tf.matmul(tf.gather(table, ids), table, False, True)},
        [Tensor("ids", ("batch",), "int32", "")],
        {"y": ""},
        [(np.arange(3, dtype="int32"),)],
    )
    (onnx,) = written(
        run, network, forms=["onnx"], quantize=quantize, score=lambda _: {}
    )
    size = run.file("onnx/tied.onnx").stat().st_size
    assert copies < size / (4 * 900 * 8) < copies + 0.2
    ids = np.array([4, 0], "int32")
    live = network.function(ids)["y"]
    np.testing.assert_allclose(
        onnx(ids=ids)["y"], live, atol=0.2 * quantize + 1e-5
    )


def test_int8_weights_are_smaller_and_scored(run, capsys):
    kernel = tf.constant(random(2, 2000))
    scored = []

    def score(folder):
        ones = np.ones((1, 2), "float32")
        scored.append(networks.Written(folder / "net.onnx")(x=ones)["y"])
        return {"mean": float(scored[-1].mean())}

    def function(x):
        return {"y": tf.matmul(x, kernel)}

    written(run, simple(function), forms=["onnx"], quantize=True, score=score)
    full, coarse = scored
    assert not np.array_equal(full, coarse)
    np.testing.assert_allclose(full, coarse, atol=0.1)
    size, mean = capsys.readouterr().out.splitlines()[1:]
    big, small = (float(word) for word in size.split() if word[0].isdigit())
    assert big == pytest.approx(0.016, abs=2e-3)
    assert small < big / 3
    assert mean == (
        f"mean: {full.mean():.4f} in float32, {coarse.mean():.4f} in int8"
    )
    assert json.loads((run.file("onnx") / "signature.json").read_text())["int8"]


@pytest.mark.slow
def test_kernels_inside_of_loops_are_int8_too(run, capsys):
    layer = rnn_layers.rnn("gru", 64, return_sequences=True)
    layer.build((None, None, 3))
    kernel = layer.cell.recurrent_kernel
    kernel.assign(random(*kernel.shape) / 8)
    x = random(2, 6, 3)
    network = Network("loop", lambda x: {"y": layer(x)}, [X], {"y": ""}, [(x,)])
    (onnx,) = written(
        run, network, forms=["onnx"], quantize=True, score=lambda _: {}
    )
    (size,) = re.findall(
        r"MB: (.*) in float32, (.*) in int8", capsys.readouterr().out
    )
    before, after = map(float, size)
    whole = 4e-6 * np.prod(kernel.shape)
    assert before - after == pytest.approx(0.75 * whole, rel=0.2)
    live = layer(x).numpy()
    difference = np.abs(onnx(x=x)["y"] - live).max()
    assert 0 < difference < 0.05 * np.abs(live).max()
