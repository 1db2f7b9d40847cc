"""The SavedModel: tensorflow alone, and the numbers of the live model."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from apps.common import generation
from apps.common.search import GREEDY
from apps.language_model import export
from tests.apps.tools import (
    check_is_exported_again,
    greedy,
    in_a_new_process,
    in_all_forms,
    needs_formats,
)

TEXTS = ["the old clocks turn .", "zzz", ""]


@pytest.mark.slow
def test_the_export_needs_tensorflow_alone(trained, predictor, tmp_path):
    script = f"""
import sys, json, tensorflow as tf
served = tf.saved_model.load({str(trained.run.file("export") / "1")!r})
texts = tf.constant({TEXTS!r})
print(json.dumps(served.score(texts)["log_probability"].numpy().tolist()))
answer = served.serve(texts, 7, 0.8, 0.9, 1)
print(json.dumps([t.decode() for t in answer["text"].numpy()]))
states = served.signatures["step"].structured_input_signature[1]
states = {{n: s.shape[1] for n, s in states.items() if n != "tokens"}}
zeros = {{name: tf.zeros((2, width)) for name, width in states.items()}}
out = served.signatures["step"](tokens=tf.constant([3, 3]), **zeros)
print(json.dumps(out["logits"].numpy()[0].tolist()))
for name in ("apps", "data_pipelines", "rnn_layers"):
    assert name not in sys.modules, name
"""
    printed = in_a_new_process(script, tmp_path)
    scores, texts, logits = map(json.loads, printed.splitlines()[-3:])
    expected = [-nll.sum() for _, nll in predictor.score(TEXTS)]
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    assert len(texts) == 3
    assert all(texts)
    first = np.asarray(predictor.model(np.array([[3]])))[0, 0]
    np.testing.assert_allclose(logits, first, atol=1e-4)


@pytest.mark.parametrize("request_", export.REQUESTS)
def test_rounding_does_not_decide_what_is_compared(request_):
    """10,000 words as frequent as Zipf says, many of them equally often."""
    length, temperature, top_p, seed = request_
    size = 10_000
    counts = np.floor(1e5 / np.arange(1, size + 1))
    noise = 1e-6 * np.random.default_rng(0).normal(size=size)
    search = export._sampling(
        SimpleNamespace(tokenizer=range(size)), temperature, top_p
    )
    chances = tf.random.stateless_uniform(
        [len(export.EXAMPLES), length], [seed, 0]
    )

    def drawn(logits):
        logits = tf.constant(np.tile(logits, (len(chances), 1)), tf.float32)
        decoded = generation.generate(
            lambda _, state: (logits, state),
            logits,
            search,
            length,
            end=-1,
            chances=chances,
        )
        return decoded.tokens.numpy()

    exact = drawn(np.log(counts))
    assert len(np.unique(exact)) > 2  # it is drawn
    np.testing.assert_array_equal(drawn(np.log(counts) + noise), exact)


@pytest.mark.slow
def test_a_run_is_exported_again(trained, loaded, tmp_path, capsys):
    check_is_exported_again(export, trained.run, tmp_path, capsys)


@pytest.mark.slow
@needs_formats
def test_other_forms_go_on_as_predict_does(
    trained, predictor, loaded, tmp_path, capsys
):
    run = in_all_forms(
        "language_model", trained.run.path, tmp_path, "--quantize"
    )
    values = re.findall(
        r"perplexity: (.*) in float32, (.*) in int8", capsys.readouterr().out
    )
    before, after = np.array(values, float)[0]
    assert after == pytest.approx(before, rel=0.05)
    again = tmp_path / "float32"
    again.mkdir()
    run = in_all_forms("language_model", trained.run.path, again)
    prompts = [p[:2] for p in predictor.prompts(["the old", "a"])]
    tokens = greedy(run, prompt=np.array(prompts), length=9)
    expected = predictor.generate(prompts, GREEDY, 9)
    np.testing.assert_array_equal(
        np.array(tokens), expected.tokens[:, 0, : len(tokens[0])]
    )
