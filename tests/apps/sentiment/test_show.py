"""What a training shows: samples of an epoch, the report."""

import json
import re
import types

import numpy as np
import pytest

from apps.common import report, runs
from apps.sentiment import show

TARGETS = np.array([0, 1, 1, 0])
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])


class Split:
    texts = ("a\tb", "c " * 400, "d", "e")
    labels = TARGETS

    def __len__(self):
        return len(self.texts)


@pytest.fixture
def callback(tmp_path):
    data = types.SimpleNamespace(valid=Split(), labels=["neg", "pos"])
    validation = types.SimpleNamespace(probabilities=PROBABILITIES)
    run = runs.Run("sentiment", tmp_path, {})
    callback = show.Samples(run, data, validation)
    yield callback
    callback.on_train_end()


def test_a_sample_is_text_target_and_prediction(callback):
    lines = callback.lines(0)
    assert [line[1:] for line in lines] == [
        ("neg", "neg 0.900"),
        ("pos", "neg 0.600"),
        ("pos", "pos 0.800"),
        ("neg", "pos 0.700"),
    ]
    assert lines[0][0] == "a b"
    assert len(lines[1][0]) == 300


def test_the_confusion_is_drawn_of_few_classes_alone(callback):
    assert list(callback.pictures(0)) == ["confusion"]
    callback.data.labels = ["x"] * (report.MOST_NAMED + 1)
    assert callback.pictures(0) == {}


def test_the_report_has_correct_and_wrong_texts(trained):
    page = trained.run.file("report.html").read_text("utf-8")
    record = json.loads(trained.run.file("metrics.json").read_text())
    count = f"{record['examples']['test']} texts"
    for part in ("bag_of_words", "Training", "Confusion", "By class", count):
        assert part in page
    assert page.count("<article>") == show.EXAMPLES
    # Wrong ones first.
    verdicts = re.findall('<span class="(right|wrong)">', page)
    assert verdicts == sorted(verdicts, reverse=True)
    assert len(verdicts) == show.EXAMPLES
