"""The captioning app as its user meets it: the folder of a training."""

import json
import re

import pytest
from tensorboard.backend.event_processing import event_accumulator

from tests.apps import squares
from tests.apps.tools import file_names

EPOCHS = 8


@pytest.fixture(
    params=["trained", pytest.param("frozen", marks=pytest.mark.slow)]
)
def folder(request):
    """The run folder, with the trained encoder or with the frozen one."""
    run = request.getfixturevalue(request.param)
    return run if request.param == "frozen" else run[0]


def test_the_run_folder_is_complete(folder):
    usual = """README.md backup config.json curve.png data.txt digests.json
        export lock log.csv
        metrics.json model.keras report.html samples.txt train validation
        vocabulary.txt"""
    own = "encoder.keras" if folder.name == "y" else "bad_pictures.txt"
    assert file_names(folder) == sorted([*usual.split(), own])


def test_metrics_json_has_what_is_promised(folder):
    scores = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]
    # Whether they are right is known of the demo. The one caption of the broken
    # picture is left out.
    more, count = (["right"], 260) if folder.name == "y" else ([], 144)
    record = json.loads((folder / "metrics.json").read_text())
    own = ["bleu_4_greedy", "cider_greedy", "perplexity"]
    assert list(record["metrics"]) == [*scores, *own, *more]
    rows = {name: list(row) for name, row in record["baselines"].items()}
    assert rows == {
        "most_frequent": [*scores, *more],
        "nearest_picture": [*scores, *more],
        "human": scores,
    }
    assert set(record["signatures"]) == {"bleu", "rouge_l", "cider"}
    assert sum(record["examples"].values()) == count


def test_pictures_are_described(trained):
    record = json.loads((trained[0] / "metrics.json").read_text())
    found, baselines = record["metrics"], record["baselines"]
    for name in ("cider", "bleu_4"):
        assert found[name] > baselines["most_frequent"][name]
    # Of as many words a guess has a perplexity of so many.
    vocabulary = (trained[0] / "vocabulary.txt").read_text().split("\n")
    assert found["perplexity"] < len(vocabulary)


def test_bad_pictures_are_listed(trained):
    (line,) = (trained[0] / "bad_pictures.txt").read_text().splitlines()
    assert re.search(r"images/broken\.png: is cut off or damaged", line)
    assert "1 of 73 pictures (1.4%) cannot be read" in trained[1]


def test_the_terminal_shows_scores_captions_and_what_is_next(trained):
    run, shown = trained
    lines = shown.splitlines()
    record = json.loads((run / "metrics.json").read_text())
    rows = {"x": record["metrics"], **record["baselines"]}
    for name, found in rows.items():
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{found['bleu_1']:.4f}"
    for begin in ("picture ", "caption ", "reference "):
        assert sum(line.startswith(begin) for line in lines) == 3
    assert any("make predict-captioning" in line for line in lines)


def test_samples_are_of_every_epoch(trained):
    text = (trained[0] / "samples.txt").read_text()
    blocks = text.strip().split("\n\n")
    heads = [block.splitlines()[0] for block in blocks]
    assert heads == [f"epoch {number + 1}" for number in range(EPOCHS)]
    row = blocks[-1].splitlines()[1].split("\t")
    assert row[:2] == ["48.png", squares.captions(48)[0]]


def test_tensorboard_has_every_tag(trained):
    found = {}
    for part in ("train", "validation"):
        reader = event_accumulator.EventAccumulator(str(trained[0] / part))
        reader.Reload()
        found[part] = set(reader.Tags()["tensors"])
    expected = {"loss", "perplexity", "gradient_norm", "tokens_per_second"}
    assert expected <= found["train"]
    expected = {"cider", "bleu_4", "words", "samples", "captions/1"}
    assert expected <= found["validation"]
