"""Taggers as SavedModels and in other forms, and what stands beside them."""

import json
import types

import numpy as np
import pytest
import tensorflow as tf

from apps.common import networks
from apps.tagging import export, onnx_paths
from tests.apps.tagging.tiny import LABELS, built, with_columns
from tests.apps.tools import in_all_forms, needs_formats


def test_paths_in_numpy_are_those_of_the_layer():
    crf = built(output="crf").get_layer("crf")
    names = "start", "transitions", "end"
    settings = {
        name: np.asarray(weight).tolist()
        for name, weight in zip(names, crf.log_weights(), strict=True)
    }
    random = np.random.default_rng(0)
    for length in (1, 2, 7):
        scores = random.normal(size=(length, len(LABELS))).astype("float32")
        path = onnx_paths.best_path(scores, settings)
        assert path == np.asarray(crf.decode(scores[None]))[0].tolist()
        np.testing.assert_allclose(
            onnx_paths.probabilities(scores, settings),
            np.asarray(crf.marginals(scores[None]))[0],
            atol=1e-5,
        )


@pytest.mark.slow
@needs_formats
def test_other_forms_label_as_predict_does(
    trained, predictor, loaded, tmp_path, capsys
):
    run = in_all_forms("tagging", trained.run.path, tmp_path, "--length", "8")
    signature = json.loads((run / "onnx" / "signature.json").read_text())
    texts = ["play blue river in the kitchen", "add it"]
    sentences = [text.split() for text in texts]
    for words, live in zip(sentences, predictor(sentences), strict=True):
        ids = predictor.known.features.of_texts(tf.ragged.constant([words]))
        ids = [np.asarray(x) for x in ids]
        for form, end in networks.SUFFIX.items():
            shapes = [x.shape for x in ids]
            if form == "litert":
                longest = predictor.known.features.max_characters
                shapes = [(1, 8), (1, 8), (1, 8, longest)]
            inputs = [
                np.pad(x, [(0, b - a) for a, b in zip(x.shape, s, strict=True)])
                for x, s in zip(ids, shapes, strict=True)
            ]
            names = "word_ids", "shape_ids", "character_ids"
            network = networks.Written(run / form / f"tagger{end}")
            answer = network(**dict(zip(names, inputs, strict=True)))
            scores = answer["scores"][0, : len(words)]
            path = onnx_paths.best_path(scores, signature["settings"])
            labels = (run / form / "labels.txt").read_text().splitlines()
            assert [labels[label] for label in path] == live.tags
            table = onnx_paths.probabilities(scores, signature["settings"])
            np.testing.assert_allclose(
                table[np.arange(len(path)), path], live.probabilities, atol=1e-4
            )


@pytest.mark.parametrize(
    "task", [pytest.param("tag", marks=pytest.mark.slow), "parse"]
)
def test_the_export_takes_words_and_columns(task, tmp_path):
    predictor = with_columns(task)
    run = types.SimpleNamespace(file=lambda name: tmp_path / name)
    export.write(run, predictor)  # which compares it with `predict`
    served = tf.saved_model.load(str(tmp_path / "export" / "1"))
    signature = served.signatures["serve"].structured_input_signature[1]
    assert set(signature) == {"words", "kind"}
    words = [["a", "Rome", "blue"], ["river", "", ""], ["", "", ""]]
    kinds = [["u", "v", "?"], ["v", "", ""], ["", "", ""]]
    answer = served.serve(tf.constant(words), tf.constant(kinds))
    assert answer["status"].numpy().tolist() == [b"ok", b"ok", b"empty"]
    first, second = predictor([words[0], ["river"]], [[kinds[0], ["v"]]])
    key = "tags" if task == "tag" else "relations"
    names = answer[key].numpy().astype(str).tolist()
    assert names == [first.tags, [*second.tags, "", ""], [""] * 3]
    if task == "parse":
        assert answer["heads"][0].numpy().tolist().count(0) == 1
        pos = answer["pos"][0].numpy().astype(str).tolist()
        assert pos == list(first.pos)
