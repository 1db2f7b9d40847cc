"""The SavedModel: tensorflow alone, and the numbers of the live model."""

import json
import re

import numpy as np
import pytest

from apps.common import generation, networks
from apps.common.search import GREEDY, Search
from apps.translation import export
from apps.translation.predict import padded
from data_pipelines.text.tokenizers import Tokenizer
from tests.apps.tools import (
    check_is_exported_again,
    greedy,
    in_a_new_process,
    in_all_forms,
    needs_formats,
)
from tests.apps.translations import SENTENCES


@pytest.mark.slow
def test_the_export_needs_tensorflow_alone(trained, predictor, tmp_path):
    search = Search(4, 0.7, n_best=4)
    texts = [*SENTENCES, "One  ünknown \t two.", "seven " * 40]
    expected = predictor(texts, search)
    script = f"""
import sys, json, tensorflow as tf
served = tf.saved_model.load({str(trained.run.file("export") / "1")!r})
outputs = served.serve(tf.constant({texts!r}), 4, 0.7)
rows = outputs["text"].numpy()
print(json.dumps([[t.decode() for t in row] for row in rows]))
print(json.dumps(outputs["score"].numpy().tolist()))
for name in ("apps", "data_pipelines", "rnn_layers", "keras"):
    assert name not in sys.modules or name == "keras", name
"""
    printed = in_a_new_process(script, tmp_path)
    texts, scores = map(json.loads, printed.splitlines()[-2:])
    assert texts == [[t.text for t in best] for best in expected]
    np.testing.assert_allclose(
        scores, [[t.score for t in best] for best in expected], atol=1e-4
    )


@pytest.mark.slow
def test_a_run_is_exported_again(trained, loaded, tmp_path, capsys):
    check_is_exported_again(export, trained.run, tmp_path, capsys)


@pytest.mark.slow
@needs_formats
def test_int8_weights_are_scored_and_decode(
    trained, loaded, predictor, tmp_path, capsys
):
    words = "--format", "onnx", "--quantize"
    run = in_all_forms("translation", trained.run.path, tmp_path, *words)
    assert re.search(
        r"BLEU: [\d.]+ in float32, [\d.]+ in int8", capsys.readouterr().out
    )
    tokens = greedy(run, source=padded(predictor.encode(SENTENCES)))
    assert len(tokens) == len(SENTENCES)


@pytest.mark.slow
@needs_formats
def test_other_forms_decode_as_predict_does(
    trained, predictor, loaded, tmp_path, capsys
):
    run = in_all_forms(
        "translation", trained.run.path, tmp_path, "--length", "6"
    )
    rows = predictor.encode(SENTENCES)
    source = padded(rows)
    tokens = greedy(run, source=source)
    translations = predictor(SENTENCES, GREEDY)
    for row, (best, *_) in zip(tokens, translations, strict=True):
        assert [t for t in row if t] == best.tokens.tolist()
    # One sentence at a time, filled up to the length.
    encoder, step = (
        networks.Written(run / "litert" / f"{name}.tflite")
        for name in ("encoder", "step")
    )
    state = encoder(source=np.pad(source, [(0, 0), (0, 9)])[1:2, :6])
    answer = step(tokens=np.array([Tokenizer.BEGIN], np.int32), **state)
    logits = answer["logits"]
    logits[:, list(generation.NEVER)] = -np.inf
    assert logits.argmax() == translations[1][0].tokens[0]
