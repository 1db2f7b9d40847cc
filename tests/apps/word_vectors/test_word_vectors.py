"""The word vectors app as its user meets it: what a training leaves."""

import json

import numpy as np
import pytest

from apps.word_vectors.scores import METRICS
from data_pipelines.text.word_vectors import load_vectors
from tests.apps.tools import file_names, log_of, tensorboard_tags


@pytest.fixture(scope="module")
def record(trained):
    return json.loads(trained.run.file("metrics.json").read_text())


def test_the_run_folder_is_complete(trained):
    expected = """README.md backup config.json curve.png data.txt digests.json
        export lock log.csv metrics.json model.keras report.html
        samples.txt train validation vectors.txt vocabulary.txt"""
    assert file_names(trained.run.path) == expected.split()


def test_metrics_json_has_what_is_promised(record, data):
    assert list(record["metrics"]) == list(METRICS)
    assert list(record["baselines"]) == ["ppmi_svd"]
    assert list(record["baselines"]["ppmi_svd"]) == list(METRICS)
    assert all(value > 0 for value in record["metrics"].values())
    assert record["examples"] == {
        "train": len(data.train),
        "pairs": 180,
        "questions": 494,
    }
    known = record["signatures"]["wordsim_spearman"]
    assert known == "180 of 180 pairs known"


def test_vectors_are_learned(record):
    assert record["metrics"]["wordsim_spearman"] > 0.8
    assert record["metrics"]["analogy_accuracy"] > 0.2


def test_the_last_epoch_is_the_result(trained, record):
    rows = log_of(trained.run.path)
    assert record["best_epoch"] == record["epochs"] == len(rows) == 8
    words = record["examples"]["train"]
    assert [row["words"] for row in rows] == [
        words * number for number in range(1, 9)
    ]
    assert rows[-1]["loss"] < rows[0]["loss"]
    speeds = [row["words_per_second"] for row in rows]
    assert record["metrics"]["words_per_second"] == np.median(speeds)


def test_other_apps_read_the_vectors(trained, predictor):
    path = trained.run.file("vectors.txt")
    vectors, known = load_vectors(path, predictor.vocabulary)
    assert known == len(predictor.vocabulary) - 2
    np.testing.assert_allclose(
        vectors[2:], predictor.vectors[2:], rtol=1e-5, atol=1e-9
    )


def test_the_terminal_shows_scores_neighbours_and_what_is_next(trained, record):
    lines = trained.stdout.splitlines()
    for name, scores in {
        "x": record["metrics"],
        "ppmi_svd": record["baselines"]["ppmi_svd"],
    }.items():
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{scores['wordsim_spearman']:.4f}"
    assert any(line.startswith("country-capital ") for line in lines)
    assert any(line.startswith("france ") for line in lines)
    asked = 'make predict-word-vectors ARGS="paris - france + italy"'
    assert f"  {asked}" in lines
    assert "largest difference to predict" in trained.stdout
    assert trained.stderr == ""


def test_tensorboard_has_every_tag(trained):
    tags = tensorboard_tags(trained.run)
    expected = {"loss", "learning_rate", "words_per_second"}
    assert expected <= tags["train"]
    assert "samples" in tags["validation"]
    words = trained.run.file("train") / "words.tsv"
    vocabulary = trained.run.file("vocabulary.txt").read_text()
    assert vocabulary.split()[2:] == words.read_text().split()


def test_the_report_has_sections_and_neighbours(trained):
    page = trained.run.file("report.html").read_text()
    assert "<td>man-woman" in page
    assert "<dt>france</dt>" in page


def test_the_card_speaks_of_no_recurrent_network(trained):
    card = trained.run.file("README.md").read_text()
    assert '"keras", "skip_gram", "word_vectors"' in card
    assert "recurrent" not in card
    assert "import rnn_layers" not in card
