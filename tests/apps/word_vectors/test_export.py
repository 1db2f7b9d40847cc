"""The SavedModel: tensorflow alone, and the answers of `predict`."""

import json
import shutil

import numpy as np
import pytest

from apps.common import networks
from apps.word_vectors import export
from apps.word_vectors.predict import Sum
from tests.apps.tools import check_is_exported_again, in_a_new_process


@pytest.mark.slow
def test_the_export_needs_tensorflow_alone(trained, predictor, tmp_path):
    script = f"""
import sys, json, tensorflow as tf
served = tf.saved_model.load({str(trained.run.file("export") / "1")!r})
answer = served.serve(tf.constant(["paris", "Paris", "zebra"]))
print(json.dumps(answer["vector"].numpy().tolist()))
print(json.dumps([s.decode() for s in answer["status"].numpy()]))
near = served.near(positive=["king", "woman"], negative=["man"], count=3)
print(json.dumps([w.decode() for w in near["word"].numpy()]))
for name in ("apps", "data_pipelines", "rnn_layers"):
    assert name not in sys.modules, name
"""
    printed = in_a_new_process(script, tmp_path)
    vectors, status, near = map(json.loads, printed.splitlines()[-3:])
    (paris,) = predictor.ids(["paris"])
    np.testing.assert_allclose(vectors[0], predictor.vectors[paris], rtol=1e-6)
    assert vectors[0] == vectors[1]
    assert not any(vectors[2])
    assert status == ["ok", "ok", "unknown"]
    asked = Sum(["king", "woman"], ["man"])
    assert near == [word for word, _ in predictor.near(asked, 3)]


@pytest.mark.slow
def test_a_run_is_exported_again(trained, loaded, tmp_path, capsys):
    check_is_exported_again(export, trained.run, tmp_path, capsys)


@pytest.mark.slow
def test_other_runtimes_give_the_same_vectors(
    trained, loaded, predictor, tmp_path, capsys
):
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    flags = {"format": "onnx,litert", "quantize": True}
    export.main(export.Options(run=str(copy), **flags))
    assert "analogy_accuracy: " in capsys.readouterr().out
    ids = np.arange(len(predictor.vocabulary), dtype=np.int32)
    vectors = networks.Written(copy / "onnx" / "vectors.onnx")(ids=ids)
    largest = np.abs(predictor.vectors).max()
    np.testing.assert_allclose(
        vectors["vectors"], predictor.vectors, atol=0.02 * largest
    )
    assert (copy / "litert" / "vectors.tflite").exists()
    assert (copy / "litert" / "vocabulary.txt").exists()
