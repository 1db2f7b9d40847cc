"""Networks in other forms: they answer as the live function, or are refused."""

import json
import re
import types

import numpy as np
import pytest
import tensorflow as tf

import rnn_layers
from apps.common import formats, networks, runs
from apps.common.cli import UserError
from apps.common.networks import Network, Portable, Tensor
from tests.apps.tools import needs_formats

pytestmark = needs_formats
BOTH = ("onnx", "litert")
X = Tensor("x", ("batch", "words", 3), "float32", "what is read")


@pytest.fixture
def run(tmp_path):
    return runs.Run("sentiment", tmp_path, {})


def written(run, *given, forms=BOTH, quantize=False, length=4, **more):
    options = types.SimpleNamespace(
        formats=list(forms), format="", quantize=quantize, length=length
    )
    portable = Portable(given, {}, {}, **more)
    networks.write(run, options, None, lambda: portable, rnn_layers.plain_loops)
    return [
        networks.Written(run.file(form) / f"{network.name}{end}")
        for form, end in networks.SUFFIX.items()
        for network in given
        if form in forms and form in network.forms
    ]


def random(*shape):
    return (
        np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")
    )


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


def masked():
    """What classifiers are made of: both directions, a mask, attention."""
    stack = rnn_layers.stack("gru", 4, 2, True, return_sequences=True)
    pool = rnn_layers.AttentionPooling()
    stack.build((None, None, 3))
    pool.build((None, None, 8))

    def function(x):
        real = tf.reduce_any(x != 0, axis=-1)
        return {"y": pool(stack(x, mask=real), mask=real)}

    x = random(3, 5, 3)
    x[1, 2:] = 0
    return Network("masked", function, [X], {"y": "mean"}, [(x,), (x[:2, :3],)])


@pytest.mark.slow
def test_what_is_written_says_what_it_takes(run, capsys):
    onnx, _ = written(run, masked())
    x = random(2, 9, 3)
    x[0, 4:] = 0
    whole, cut = onnx(x=x)["y"], onnx(x=x[:, :4])["y"]
    np.testing.assert_allclose(whole[0], cut[0], 1e-5, 1e-6)
    for form, end in networks.SUFFIX.items():
        signature = json.loads((run.file(form) / "signature.json").read_text())
        about = signature["networks"]["masked"]
        assert about["file"] == f"masked{end}"
        assert about["difference"] < networks.TOLERANCE
        shape = ["batch", "words", 3] if form == "onnx" else [1, 4, 3]
        (taken,) = about["inputs"]
        assert (taken["name"], taken["shape"]) == ("x", shape)
        assert about["outputs"][0]["meaning"] == "mean"
        versions = signature["versions"]
        assert versions["tensorflow"] == tf.__version__
        assert versions.keys() >= {*formats.PACKAGES[form]}
    assert sorted(path.name for path in run.path.iterdir()) == sorted(BOTH)
    printed = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in printed] == [
        f"wrote {run.file(form)}" for form in BOTH
    ]


def simple(function, **more):
    x = Tensor("x", ("batch", 2), "float32", "")
    ones = np.ones((2, 2), "float32")
    return Network("net", function, [x], {"y": ""}, [(ones,)], **more)


@pytest.mark.parametrize("form", BOTH)
def test_what_answers_otherwise_is_refused_and_the_old_stays(run, form):
    written(run, simple(lambda x: {"y": x + 1}), forms=[form])
    before = sorted(run.path.rglob("*"))
    # In a graph it is another function than live.
    wrong = simple(lambda x: {"y": x + 2 * float(tf.executing_eagerly())})
    with pytest.raises(UserError, match="live model in 'y' by 6"):
        written(run, wrong, forms=[form])
    assert sorted(run.path.rglob("*")) == before


def test_what_is_no_number_stays_none(run):
    """tf2onnx would select by a product with zero."""
    network = simple(lambda x: {"y": tf.where(x > 0, tf.math.log(x), 7.0)})
    (onnx,) = written(run, network, forms=["onnx"])
    x = np.array([[-1, 1], [np.nan, 2]], "float32")
    assert onnx(x=x)["y"].tolist() == [[7, 0], [7, pytest.approx(np.log(2))]]


def test_a_file_that_is_missing_leaves_nothing(run):
    portable = Portable(
        [simple(lambda x: {"y": x})], {"labels.txt": "labels"}, {}
    )
    options = types.SimpleNamespace(
        formats=["onnx"], format="onnx", quantize=False
    )
    with pytest.raises(FileNotFoundError, match=r"labels\.txt"):
        networks.write(
            run, options, None, lambda: portable, rnn_layers.plain_loops
        )
    assert not list(run.path.iterdir())


def test_half_precision_is_refused(run):
    run.record["config"] = {"mixed_precision": "bfloat16"}
    with pytest.raises(UserError, match="computes in bfloat16; ONNX"):
        written(run, simple(lambda x: {"y": x}))


def test_a_form_that_no_network_has_is_refused(run):
    network = simple(lambda x: {"y": x}, forms=["onnx"])
    with pytest.raises(UserError, match="LiteRT runs no loop over a length"):
        written(run, network, forms=["litert"])


def test_what_cannot_be_converted_is_one_line(run):
    network = simple(
        lambda x: {"y": tf.strings.length(tf.strings.as_string(x))}
    )
    with pytest.raises(UserError, match="net cannot be converted to onnx: "):
        written(run, network, forms=["onnx"])
    assert not list(run.path.iterdir())


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
