"""The translation app as its user meets it: what a training leaves behind."""

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
    expected = """README.md backup config.json curve.png data.txt
        digests.json
        export
        languages.txt lock log.csv metrics.json model.keras report.html
        samples.txt source.txt target.txt train validation"""
    assert file_names(trained.run.path) == expected.split()


def test_metrics_json_has_what_is_promised(record):
    expected = "bleu chrf exact_match edit_rate bleu_greedy perplexity"
    assert list(record["metrics"]) == expected.split()
    assert set(record["baselines"]) == {"copy_source", "most_frequent"}
    assert "tok:13a" in record["signatures"]["bleu"]
    assert sum(record["examples"].values()) == 900


def test_unseen_combinations_are_translated(record):
    for name in ("bleu", "chrf", "exact_match"):
        for baseline in record["baselines"].values():
            assert record["metrics"][name] > baseline[name]


def test_the_terminal_shows_scores_translations_and_what_is_next(
    trained, record
):
    lines = trained.stdout.splitlines()
    rows = {"x": record["metrics"], **record["baselines"]}
    for name, scores in rows.items():
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{scores['bleu']:.4f}"
    for begin in ("source ", "translation ", "reference "):
        assert sum(line.startswith(begin) for line in lines) == 3
    assert any("make predict-translation" in line for line in lines)
    assert "largest difference to predict" in trained.stdout
    assert trained.stderr == ""


def test_tensorboard_has_every_tag(trained):
    tags = tensorboard_tags(trained.run)
    expected = {"loss", "perplexity", "gradient_norm", "tokens_per_second"}
    assert expected <= tags["train"]
    expected = {"bleu", "perplexity", "samples", "attention/1"}
    assert expected <= tags["validation"]


@pytest.mark.slow
def test_the_model_loads_with_rnn_layers_alone(trained, tmp_path):
    (tmp_path / "rnn_layers").symlink_to(ROOT / "rnn_layers")
    script = f"""
import sys, numpy as np, keras, rnn_layers
model = keras.models.load_model({str(trained.run.file("model.keras"))!r})
ids = np.ones((2, 5), "int32")
assert model.predict([ids, ids], verbose=0).shape[:2] == (2, 5)
loaded = {{m.split(".")[0] for m in sys.modules}}
assert not loaded & {{"apps", "data_pipelines"}}
"""
    in_a_new_process(script, tmp_path)
