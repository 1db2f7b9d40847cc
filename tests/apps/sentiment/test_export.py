"""The SavedModel: tensorflow alone, and the numbers of the live model."""

import json
import shutil
import subprocess
import sys

import numpy as np

from apps.sentiment import export


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
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    served = json.loads(done.stdout)
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
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    shutil.rmtree(copy / "export")
    export.main(export.Options(run=str(copy)))
    printed = capsys.readouterr().out
    assert f"wrote {copy / 'export'}; largest difference" in printed
    assert (copy / "export" / "1" / "saved_model.pb").exists()
    assert not list(copy.glob(".tmp-*"))
