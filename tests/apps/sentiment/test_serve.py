"""What the page and the JSON answer is what `predict` says."""

import pytest

from apps.common.serving import openapi, server
from apps.sentiment.serve import Answer, Request, Service
from tests.apps.tools import conforms

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


def test_examples_are_texts_of_the_run(trained):
    examples = Service.examples(trained.run)
    assert examples
    assert all("start" in text and "end" in text for text in examples)
