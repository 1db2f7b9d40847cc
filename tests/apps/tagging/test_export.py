"""Taggers as SavedModels and in other forms, and what stands beside them."""

import json
import types

import numpy as np
import pytest
import tensorflow as tf

from apps.common import networks, runs
from apps.tagging import export, onnx_paths
from tests.apps.common.portable import written
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


def answers(folder, name, predictor, ids):
    """What each form answers to a sentence; that of LiteRT has 8 words."""
    names = "word_ids", "shape_ids", "character_ids", "kind_ids"
    longest = predictor.known.features.max_characters
    for form, end in networks.SUFFIX.items():
        inputs = [np.asarray(x) for x in ids]
        if form == "litert":
            missing = [
                np.subtract((1, 8, longest)[: x.ndim], x.shape) for x in inputs
            ]
            inputs = [
                np.pad(x, [(0, count) for count in counts])
                for x, counts in zip(inputs, missing, strict=True)
            ]
        network = networks.Written(folder / form / f"{name}{end}")
        yield form, network(**dict(zip(names, inputs, strict=False)))


@pytest.mark.slow
@needs_formats
def test_other_forms_parse_as_the_live_network_does(tmp_path):
    predictor = with_columns("parse")
    run = runs.Run("tagging", tmp_path, {})
    portable = export.portable(run, predictor)
    (network,) = portable.networks
    written(run, network, length=8, sizes=portable.sizes)
    words, kinds = (
        tf.ragged.constant([row])
        for row in (["a", "blue", "river"], ["u", "v", "?"])
    )
    ids = predictor.known.features.of_texts(words, kinds)
    live = network.function(*ids)
    for _, answer in answers(tmp_path, "parser", predictor, ids):
        np.testing.assert_array_equal(answer["heads"][:, :3], live["heads"])
        for name in ("relations", "pos"):
            np.testing.assert_allclose(
                answer[name][:, :3], live[name], 1e-3, 1e-4
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
        for form, answer in answers(run, "tagger", predictor, ids):
            scores = answer["scores"][0, : len(words)]
            path = onnx_paths.best_path(scores, signature["settings"])
            labels = (run / form / "labels.txt").read_text().splitlines()
            assert [labels[label] for label in path] == live.tags
            table = onnx_paths.probabilities(scores, signature["settings"])
            np.testing.assert_allclose(
                table[np.arange(len(path)), path], live.probabilities, atol=1e-4
            )


@pytest.mark.slow
@pytest.mark.parametrize("task", ["tag", "parse"])
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
