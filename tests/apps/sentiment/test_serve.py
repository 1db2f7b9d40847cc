"""What the page and the JSON answer is what `predict` says."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from apps.common import export
from apps.common.serving import openapi, server
from apps.sentiment.serve import Answer, Request, Service
from tests.apps.tools import ROOT, conforms

TEXTS = ("A dull start, a lovely end.", "A warm start, a stupid end.", "<br />")


@pytest.fixture(scope="module")
def answers(predictor):
    return Service(predictor)([Request(text) for text in TEXTS])


def test_answers_are_the_predictions(predictor, answers):
    for prediction, answer in zip(predictor(TEXTS), answers, strict=True):
        assert conforms(answer, openapi.schema(Answer))
        assert answer["label"] == prediction.label
        assert list(answer["probabilities"].values()) == (
            prediction.probabilities
        )
        assert [w["weight"] for w in answer["words"]] == prediction.weights
    assert [answer["label"] for answer in answers] == ["good", "bad", ""]


def test_the_page_shows_label_bars_and_words(answers):
    html = server.rendered(Service, Request(TEXTS[0]), answers[0])
    assert '<p class="verdict"><b>good</b>' in html
    assert html.count("<rect") == 2
    assert html.count("<mark") == 8
    assert 'class="shade10"' in html
    assert "style=" not in html
    empty = server.rendered(Service, Request(TEXTS[2]), answers[2])
    assert "No word to read." in empty


def test_a_run_is_loaded_by_its_predictor(trained, loaded, predictor):
    assert Service.of_run(trained.run).predictor is predictor


def test_examples_are_texts_of_the_run(trained):
    examples = Service.examples(trained.run)
    assert examples
    assert all("start" in text and "end" in text for text in examples)


def block(page, language, number=0):
    """A piece of code of a documented page."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[number]


def test_the_saved_model_answers_as_the_page_of_serving_says(trained):
    """What a server makes of the rows: a tensor for the only input."""
    asked = json.loads(block("tensorflow_serving.md", "json"))
    said = json.loads(block("tensorflow_serving.md", "json", 1))
    model = export.load(trained.run.file("export"))
    signature = model.signatures[asked["signature_name"]]
    ((name, spec),) = signature.structured_input_signature[1].items()
    rows = tf.constant(asked["instances"], spec.dtype)
    assert rows.shape.is_compatible_with(spec.shape)
    outputs = signature(**{name: rows})
    for number, row in enumerate(said["predictions"]):
        assert row.keys() == outputs.keys()
        for name, value in row.items():
            assert np.shape(value) == outputs[name][number].shape
        assert row["status"].encode() == outputs["status"][number]
    assert outputs["label"][1] == b""


def test_the_script_of_gradio_runs(trained, loaded, monkeypatch):
    opened = []

    def interface(function, *_):
        opened.append(function(TEXTS[0]))
        return SimpleNamespace(launch=lambda: opened.append("launched"))

    parts = ("Textbox", "Label", "HighlightedText")
    stand_in = SimpleNamespace(
        Interface=interface, **{part: lambda **_: None for part in parts}
    )
    monkeypatch.setitem(sys.modules, "gradio", stand_in)
    monkeypatch.chdir(trained.folder)
    script = block("gradio.md", "python")
    assert len(script.strip().splitlines()) <= 24
    exec(script, {})
    (shares, words), launched = opened
    assert max(shares, key=shares.get) == "good"
    assert max(weight for _, weight in words) == 1
    assert launched == "launched"
