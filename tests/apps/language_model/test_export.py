"""The SavedModel: tensorflow alone, and the numbers of the live model."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from apps.language_model import export

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
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    scores, texts, logits = map(json.loads, done.stdout.splitlines()[-3:])
    expected = [-nll.sum() for _, nll in predictor.score(TEXTS)]
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    assert len(texts) == 3
    assert all(texts)
    first = np.asarray(predictor.model(np.array([[3]])))[0, 0]
    np.testing.assert_allclose(logits, first, atol=1e-4)


@pytest.mark.slow
def test_a_run_is_exported_again(trained, loaded, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    shutil.rmtree(copy / "export")
    export.main(export.Options(run=str(copy)))
    printed = capsys.readouterr().out
    assert f"wrote {copy / 'export'}; largest difference" in printed
