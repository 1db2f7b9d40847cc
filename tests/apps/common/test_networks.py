"""Networks in other forms: they answer as the live function, or are refused."""

import json
import types

import numpy as np
import pytest
import tensorflow as tf

import rnn_layers
from apps.common import formats, networks, runs
from apps.common.cli import UserError
from apps.common.networks import Network, Portable
from tests.apps.common.portable import BOTH, X, random, simple, written
from tests.apps.tools import needs_formats

pytestmark = needs_formats


@pytest.fixture
def run(tmp_path):
    return runs.Run("sentiment", tmp_path, {})


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


@pytest.mark.parametrize("form", BOTH)
def test_what_answers_otherwise_is_refused_and_the_old_stays(run, form):
    written(run, simple(lambda x: {"y": x + 1}), forms=[form])
    before = sorted(run.path.rglob("*"))
    # In a graph it is another function than live.
    wrong = simple(lambda x: {"y": x + 2 * float(tf.executing_eagerly())})
    with pytest.raises(UserError, match="live model in 'y' by 6"):
        written(run, wrong, forms=[form])
    assert sorted(run.path.rglob("*")) == before


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
