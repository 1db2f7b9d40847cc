"""Taggers in other forms: what stands beside them makes labels of scores."""

import json

import numpy as np
import pytest

from apps.common import networks
from apps.tagging import onnx_paths
from tests.apps.tagging.tiny import LABELS, built
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
        ids = [
            np.asarray(x) for x in predictor.known.features.of_words([words])
        ]
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
