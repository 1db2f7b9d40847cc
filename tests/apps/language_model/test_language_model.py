"""The language model app as its user meets it: what a training leaves."""

import json

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
    expected = """README.md backup config.json curve.png data.txt digests.json
        export lock log.csv metrics.json model.keras report.html
        samples.txt train validation vocabulary.txt"""
    assert file_names(trained.run.path) == expected.split()


def test_metrics_json_has_what_is_promised(record):
    expected = "perplexity bits_per_token bits_per_character unknown_share"
    baselines = "uniform unigram katz_3 kneser_ney_3 kneser_ney_5"
    assert list(record["metrics"]) == expected.split()
    assert list(record["baselines"]) == baselines.split()
    for scores in record["baselines"].values():
        assert list(scores) == expected.split()
    assert (
        "state through the whole stream" in record["signatures"]["perplexity"]
    )


def test_a_model_learns_more_than_how_frequent_words_are(record):
    ours, baselines = record["metrics"], record["baselines"]
    assert ours["perplexity"] < baselines["unigram"]["perplexity"]
    assert (
        baselines["unigram"]["perplexity"] < baselines["uniform"]["perplexity"]
    )


def test_the_terminal_shows_scores_samples_and_what_is_next(trained, record):
    lines = trained.stdout.splitlines()
    rows = {"x": record["metrics"], **record["baselines"]}
    for name, scores in rows.items():
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{scores['perplexity']:,.4f}".replace(
            ",", ""
        )
    assert sum(line.startswith("sample ") for line in lines) == 3
    assert any("make predict-language-model" in line for line in lines)
    assert "largest difference to predict" in trained.stdout
    assert trained.stderr == ""


def test_tensorboard_has_every_tag(trained):
    tags = tensorboard_tags(trained.run)
    expected = {"loss", "perplexity", "gradient_norm", "tokens_per_second"}
    assert expected <= tags["train"]
    assert {"perplexity", "samples", "surprise"} <= tags["validation"]


def test_the_report_shades_the_test_set(trained):
    page = trained.run.file("report.html").read_text()
    assert page.count("<mark class=") == 400
    assert "Length of memory" in page
    assert "Confident and wrong" in page


@pytest.mark.slow
def test_the_model_loads_with_rnn_layers_alone(trained, tmp_path):
    (tmp_path / "rnn_layers").symlink_to(ROOT / "rnn_layers")
    script = f"""
import sys, numpy as np, keras, rnn_layers
model = keras.models.load_model({str(trained.run.file("model.keras"))!r})
assert model.predict(np.ones((2, 5), "int32"), verbose=0).shape[:2] == (2, 5)
loaded = {{m.split(".")[0] for m in sys.modules}}
assert not loaded & {{"apps", "data_pipelines"}}
"""
    in_a_new_process(script, tmp_path)
