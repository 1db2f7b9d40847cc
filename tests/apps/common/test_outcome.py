"""What a run came to, written and read."""

import json

import keras
import pytest

from apps.common import outcome, runs
from apps.common.cli import UserError
from apps.common.progress import Progress


def test_finish_writes_every_promised_key(tmp_path):
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(2, activation="softmax")(inputs)
    about = {"dataset": "demo", "cell": "gru", "seed": 0}
    record = {"app": "sentiment", "config": about, "command": "a command"}
    run = runs.Run("sentiment", tmp_path, record)
    progress = Progress(epoch=3, best_epoch=2, seconds=1.23)
    outcome.finish(
        run,
        outcome.Result(
            keras.Model(inputs, outputs),
            {"accuracy": 0.5},
            {"majority": {"accuracy": 0.4}},
            progress,
            {"train": 3, "valid": 2, "test": 1},
            signatures={"bleu": "x"},
        ),
    )
    record = json.loads(run.file("metrics.json").read_text())
    assert record["metrics"] == {"accuracy": 0.5}
    assert record["baselines"] == {"majority": {"accuracy": 0.4}}
    assert record["signatures"] == {"bleu": "x"}
    assert record["parameters"] == 3 * 2 + 2
    assert record["examples"] == {"train": 3, "valid": 2, "test": 1}
    expected = "app run dataset command epochs train_seconds seed versions"
    assert {*expected.split(), "device", "commit"} <= set(record)
    assert (record["epochs"], record["train_seconds"]) == (3, 1.2)


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": {}},
        {"metrics": {"accuracy": "0.5"}},
        {"baselines": {"majority": 0.5}},
        {"baselines": {"majority": {"accuracy": []}}},
        {"train_seconds": "1"},
        {"run": None},
    ],
)
def test_metrics_that_are_none_are_one_line(tmp_path, change):
    record = {"app": "", "run": "", "dataset": "", "metrics": {"accuracy": 1}}
    record |= {"baselines": {"majority": {"accuracy": None}}, "examples": {}}
    record |= {"parameters": 1, "train_seconds": 1.5}
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(record))
    assert outcome.read_metrics(tmp_path) == record
    path.write_text(json.dumps(record | change))
    with pytest.raises(UserError, match=r"metrics\.json is damaged; delete"):
        outcome.read_metrics(tmp_path)
