"""The SavedModel: tensorflow alone, and the numbers of the live model."""

import json
import re

import numpy as np
import pytest

from apps.common import networks, publish, runs
from apps.sentiment import export
from tests.apps.tools import (
    check_is_exported_again,
    in_a_new_process,
    in_all_forms,
    needs_formats,
)


def test_the_export_loads_with_tensorflow_alone(trained, predictor, tmp_path):
    texts = ["A dull start, a lovely end.", "", "ÜNSEEN \u6620\u753b"]
    script = f"""
import json, sys, tensorflow as tf
served = tf.saved_model.load({str(trained.run.file("export") / "1")!r})
outputs = served.serve(tf.constant({texts!r}))
signature = served.signatures["serving_default"](text=tf.constant({texts!r}))
for name in outputs:
    assert (outputs[name].numpy() == signature[name].numpy()).all(), name
ours = ("apps", "data_pipelines", "rnn_layers")
assert not any(n.split(".")[0] in ours for n in sys.modules)
outputs = {{n: v.numpy().astype(str).tolist() for n, v in outputs.items()}}
print(json.dumps(outputs))
"""
    printed = in_a_new_process(script, tmp_path)
    served = json.loads(printed)
    live = predictor(texts)
    assert served["labels"] == [["bad", "good"]] * 3
    assert served["status"] == ["ok", "empty", "ok"]
    assert served["label"] == [prediction.label for prediction in live]
    np.testing.assert_allclose(
        np.array(served["probability"], float),
        [prediction.probability for prediction in live],
        1e-5,
    )
    sums = np.array(served["probabilities"], float).sum(axis=1)
    np.testing.assert_allclose(sums, [1, 0, 1], atol=1e-5)


def test_a_run_is_exported_again(trained, loaded, tmp_path, capsys):
    check_is_exported_again(export, trained.run, tmp_path, capsys)


@pytest.mark.slow
@needs_formats
def test_other_forms_answer_as_predict_does(
    trained, predictor, loaded, tmp_path, capsys
):
    run = in_all_forms(
        "sentiment", trained.run.path, tmp_path, "--length", "9", "--quantize"
    )
    accuracies = re.findall(
        r"accuracy: (.*) in float32, (.*) in int8", capsys.readouterr().out
    )
    assert np.ptp(np.array(accuracies, float)) < 0.1
    words = predictor.vocabulary.words
    texts = ["a dull start, a lovely end.", "qwxyzzq", "good " * 7]
    for text, prediction in zip(texts, predictor(texts), strict=True):
        # The words by their lines, as the page says.
        ids = [
            words.index(w) if w in words else 1
            for w in re.findall(r"\w+|[^\w\s]", text)
        ]
        for form, end in networks.SUFFIX.items():
            length = len(ids) if form == "onnx" else 9
            row = np.zeros((1, length), np.int32)
            row[0, : len(ids)] = ids[:length]
            network = networks.Written(run / form / f"classifier{end}")
            (answer,) = network(ids=row)["probabilities"]
            tolerance = 0.05 if form == "onnx" else 1e-5  # int8
            np.testing.assert_allclose(
                answer, prediction.probabilities, atol=tolerance
            )
    signature = json.loads((run / "onnx" / "signature.json").read_text())
    longest = predictor.max_length
    assert signature["settings"] == {"words": "words", "longest": longest}
    assert (run / "onnx" / "vocabulary.txt").exists()
    # What is published has all of it, and its card says how to use it.
    published = tmp_path / "published"
    published.mkdir()
    publish.copy(runs.open_run("sentiment", str(run)), published)
    card = (published / "README.md").read_text()
    for form, end in networks.SUFFIX.items():
        assert (published / form / f"classifier{end}").exists()
        assert f'"{form}/classifier{end}"' in card
    assert card.count("## ONNX") == 1
