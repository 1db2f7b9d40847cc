"""The SavedModel."""

import json
import re

import numpy as np
import pytest

from apps.common import generation, networks
from apps.common.search import GREEDY, Search
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.vision import images
from tests.apps import squares
from tests.apps.squares import written
from tests.apps.tools import (
    greedy,
    in_a_new_process,
    in_all_forms,
    needs_formats,
)


@pytest.mark.slow
def test_the_export_needs_tensorflow_alone(
    trained, frozen, captioner, frozen_captioner, tmp_path
):
    # Of the size that the models see, so that nothing is resized.
    kinds = ["png", "bmp", "gif", "jpg"]
    paths = [written(tmp_path, [100], kind)[0] for kind in kinds]
    script = f"""
import sys, json, tensorflow as tf
contents = [open(path, "rb").read() for path in {list(map(str, paths))!r}]
for folder in {[str(trained[0]), str(frozen)]!r}:
    served = tf.saved_model.load(folder + "/export/1")
    found = served.serve(tf.constant(contents), 3, 0.7)
    texts = [[t.decode() for t in row] for row in found["text"].numpy()]
    print(json.dumps([texts, found["score"].numpy().tolist()]))
for name in ("apps", "data_pipelines", "rnn_layers"):
    assert name not in sys.modules, name
"""
    printed = in_a_new_process(script, tmp_path)
    answers = map(json.loads, printed.splitlines()[-2:])
    inputs = np.stack([images.read(path, squares.SIDE) for path in paths])
    for live, drawn in ((captioner, 0), (frozen_captioner, 3)):
        texts, scores = next(answers)
        expected = live.decode(
            live.model_inputs(inputs), Search(3, 0.7, drawn, n_best=3)
        )
        # JPEG is decoded by another library, whose pixels differ by a little.
        for row, best in enumerate(expected[:3]):
            assert texts[row] == [caption.text for caption in best]
            found = [caption.score for caption in best]
            np.testing.assert_allclose(scores[row], found, atol=2e-3)
        assert scores[3][0] == pytest.approx(expected[3][0].score, abs=0.1)


@pytest.mark.slow
@needs_formats
def test_int8_weights_are_scored_and_decode(
    trained, captioner, tmp_path, capsys
):
    words = "--format", "onnx", "--quantize"
    run = in_all_forms("captioning", trained[0], tmp_path, *words)
    assert re.search(
        r"cider: [\d.]+ in float32, [\d.]+ in int8", capsys.readouterr().out
    )
    pictures = [
        images.read(path, captioner.size)
        for path in written(tmp_path, [100, 7])
    ]
    tokens = greedy(run, pictures=np.stack(pictures).astype("float32"))
    assert len(tokens) == len(pictures)


@pytest.mark.slow
@needs_formats
@pytest.mark.parametrize("kind", ["trained", "frozen"])
def test_other_forms_decode_as_predict_does(
    trained, frozen, captioner, frozen_captioner, kind, tmp_path, capsys
):
    folder, live = trained[0], captioner
    if kind == "frozen":
        folder, live = frozen, frozen_captioner
    run = in_all_forms("captioning", folder, tmp_path)
    pictures = np.stack(
        [images.read(path, live.size) for path in written(tmp_path, [100, 7])]
    )
    tokens = greedy(run, pictures=pictures.astype("float32"))
    expected = live.decode(live.model_inputs(pictures), GREEDY)
    for row, (best, *_) in zip(tokens, expected, strict=True):
        assert [t for t in row if t] == best.tokens.tolist()
    encoder = networks.Written(run / "litert" / "encoder.tflite")
    state = encoder(pictures=pictures[:1].astype("float32"))
    step = networks.Written(run / "litert" / "step.tflite")
    begin = np.array([Tokenizer.BEGIN], np.int32)
    logits = step(tokens=begin, **state)["logits"]
    logits[:, list(generation.NEVER)] = -np.inf
    assert logits.argmax() == tokens[0][0]
