"""Scores of a run, its baselines, and the loss of validation."""

import json
import shutil
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.common import cli
from apps.sentiment import evaluate


def options(trained, *words):
    words = [*words, "--runs-path", trained.runs_path]
    return cli.parse(evaluate.Options, None, words)


def test_evaluate_repeats_the_scores_of_the_run(trained, loaded, capsys):
    evaluate.main(options(trained, "--run", "x"))
    printed = capsys.readouterr().out
    record = json.loads(trained.run.file("metrics.json").read_text())
    rows = {}
    for line in printed.splitlines()[2:5]:
        *name, accuracy, macro_f1, roc_auc = line.split()
        rows[" ".join(name)] = [accuracy, macro_f1, roc_auc]
    expected = {"x (test)": record["metrics"], **record["baselines"]}
    assert rows == {
        name: [f"{scores[metric]:.4f}" for metric in evaluate.METRICS]
        for name, scores in expected.items()
    }
    assert "target \\ predicted" in printed


def test_the_baselines_are_of_the_test_split_alone(trained, loaded, capsys):
    evaluate.main(options(trained, "--split", "valid"))
    printed = capsys.readouterr().out
    assert "x (valid)" in printed
    assert "majority" not in printed


def test_another_folder_needs_the_kind_of_its_data(trained, tmp_path):
    with pytest.raises(cli.UserError, match=r"--data-path .* needs --dataset"):
        evaluate.main(options(trained, "--data-path", str(tmp_path)))


class Constant(keras.Model):
    """Predicts the same probabilities for every text."""

    def call(self, tokens):
        ones = keras.ops.ones_like(tokens[:, :1], dtype="float32")
        return ones * keras.ops.array([[0.7, 0.2, 0.1]])


class Split:
    """Four texts of three classes, in batches of two."""

    labels = np.array([0, 1, 0, 2])

    def __len__(self):
        return 4

    def dataset(self):

        tokens = np.ones((4, 3), "int32")
        return tf.data.Dataset.from_tensor_slices((tokens, self.labels)).batch(
            2
        )

    def in_order(self, rows):
        return rows


def test_the_loss_of_validation_is_the_mean_nll_of_the_targets():
    validation = evaluate.Validation(Constant(), Split())
    logs = {}
    validation.on_epoch_end(0, logs)
    expected = -np.log([0.7, 0.2, 0.7, 0.1]).mean()
    assert logs["val_loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["val_accuracy"] == 0.5
    assert "val_roc_auc" not in logs  # three classes
    assert validation.probabilities.shape == (4, 3)


def test_the_majority_is_that_of_train(monkeypatch):
    monkeypatch.setattr(evaluate, "MOST_TEXTS", 3)

    class Texts:
        def __init__(self, labels):
            self.labels = np.array(labels)

        def __len__(self):
            return len(self.labels)

        def ids(self, row):
            return np.array([5 + self.labels[row], 9])

    data = types.SimpleNamespace(
        labels=["a", "b"], train=Texts([1, 1, 0, 1]), test=Texts([0, 0, 1])
    )
    scores = evaluate.baselines(data)
    assert scores["majority"]["accuracy"] == pytest.approx(1 / 3)
    assert set(scores) == {"majority", "bag_of_words"}


def test_scores_of_an_ensemble_are_no_scores_of_a_run(
    trained, tmp_path, capsys
):
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    before = (copy / "metrics.json").read_bytes()
    for _ in range(2):  # The second time replaces what the first has written.
        evaluate.main(
            evaluate.Options(
                run=f"{copy}, {trained.run.path}",
                runs_path=trained.runs_path,
                split="valid",
            )
        )
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("(valid)") for line in lines if "(valid)" in line]
    # The mean of two that are the same is each of them.
    assert [name.strip() for name, _ in rows[2::3]] == ["ensemble"] * 2
    assert len({tuple(scores.split()) for _, scores in rows}) == 1
    (record,) = json.loads((copy / "ensemble.json").read_text())
    assert record["runs"] == [str(copy), str(trained.run.path)]
    assert set(record["scores"]) >= {"ensemble (valid)"}
    assert (copy / "metrics.json").read_bytes() == before


def test_runs_of_other_words_are_no_ensemble(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    (copy / "digests.json").unlink()
    labels = (copy / "labels.txt").read_text().splitlines()
    (copy / "labels.txt").write_text("\n".join(reversed(labels)) + "\n")
    runs_of = f"{trained.run.path},{copy}"
    with pytest.raises(cli.UserError, match=r"does not fit .* its labels\.txt"):
        evaluate.main(evaluate.Options(run=runs_of))
