"""The sentiment app as its user meets it: what a training leaves behind."""

import json

import numpy as np
import pytest

from tests.apps.tools import (
    ROOT,
    file_names,
    in_a_new_process,
    tensorboard_tags,
)


@pytest.fixture(scope="module")
def record(trained):
    return json.loads(trained.run.file("metrics.json").read_text())


def test_the_run_folder_is_complete(trained):
    expected = """README.md backup config.json curve.png data.txt
        digests.json
        export
        labels.txt lock log.csv metrics.json model.keras report.html samples.txt
        train validation vocabulary.txt"""
    assert file_names(trained.run.path) == expected.split()


def test_metrics_json_has_what_is_promised(trained, predictor, record):
    keys = {"accuracy", "macro_f1", "roc_auc"}
    assert set(record["metrics"]) == keys
    assert set(record["baselines"]) == {"majority", "bag_of_words"}
    assert all(set(b) == keys for b in record["baselines"].values())
    assert record["dataset"] == "files"
    assert sum(record["examples"].values()) == 600
    classifier = predictor.classifier
    assert record["parameters"] == classifier.count_params()
    trained = sum(np.size(w) for w in classifier.trainable_weights)
    assert record["trainable_parameters"] == trained


def test_the_terminal_shows_scores_predictions_and_what_is_next(
    trained, record
):
    lines = trained.stdout.splitlines()
    rows = {"x": record["metrics"], **record["baselines"]}
    for name, scores in rows.items():
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{scores['accuracy']:.4f}"
    labelled = [line for line in lines if line.startswith(("bad ", "good "))]
    assert len(labelled) == 3
    assert any("make predict-sentiment" in line for line in lines)
    assert "largest difference to predict" in trained.stdout
    assert trained.stderr == ""


def test_word_order_is_learned_and_the_bag_of_words_cannot(record):
    bag_of_words = record["baselines"]["bag_of_words"]["accuracy"]
    assert record["metrics"]["accuracy"] > bag_of_words


def test_the_log_has_scores_of_training_and_of_validation(trained, record):
    head, *rows = trained.run.file("log.csv").read_text().splitlines()
    expected = """epoch accuracy loss macro_f1 val_loss val_accuracy
        val_macro_f1 val_roc_auc"""
    assert head.split(",") == expected.split()
    assert len(rows) == record["epochs"]


def test_tensorboard_has_every_tag(trained):
    tags = tensorboard_tags(trained.run)
    scalars = """accuracy examples_per_second gradient_norm learning_rate loss
        macro_f1 tokens_per_second"""
    assert set(scalars.split()) <= tags["train"]
    assert any("recurrent_kernel" in tag for tag in tags["train"])  # histogram
    expected = {"loss", "accuracy", "macro_f1", "confusion", "samples"}
    assert expected <= tags["validation"]


def test_the_projector_shows_the_words(trained, predictor):
    folder = trained.run.file("train")
    heading, *lines = (folder / "words.tsv").read_text().splitlines()
    assert heading.split("\t") == ["word", *predictor.labels]
    assert predictor.labels == ["bad", "good"]
    words, bad, good = zip(*(line.split("\t") for line in lines), strict=True)
    vectors = np.loadtxt(folder / "vectors.tsv", delimiter="\t")
    table = predictor.classifier.get_layer("words").get_weights()[0]
    assert vectors.shape == (len(words), 6)
    lovely = words.index("lovely")
    assert float(good[lovely]) == -float(bad[lovely]) > 0
    expected = table[predictor.vocabulary.words.index("lovely")]
    ours = vectors[lovely]
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    assert "words.tsv" in (folder / "projector_config.pbtxt").read_text()


@pytest.mark.slow
def test_the_model_loads_with_rnn_layers_alone(trained, tmp_path):
    (tmp_path / "rnn_layers").symlink_to(ROOT / "rnn_layers")
    script = f"""
import sys, numpy as np, keras, rnn_layers
model = keras.models.load_model({str(trained.run.file("model.keras"))!r})
print(model.predict(np.array([[2, 3, 4, 0]]), verbose=0).sum())
ours = ("apps", "data_pipelines")
assert not any(n.split(".")[0] in ours for n in sys.modules)
"""
    printed = in_a_new_process(script, tmp_path)
    assert float(printed) == pytest.approx(1, abs=1e-5)
