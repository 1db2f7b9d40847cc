"""What the page and the JSON answer is what `predict` says."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from apps.common import export
from apps.common.serving import openapi, server
from apps.translation.serve import MOST, Answer, Request, Service
from tests.apps.tools import ROOT, conforms

TEXTS = ("five two three.", "", "zero.")


@pytest.fixture(scope="module")
def service(predictor, trained):
    service = Service(predictor)
    service.warm(trained.run)
    return service


@pytest.fixture(scope="module")
def answers(service):
    return service([Request(text, n) for n, text in enumerate(TEXTS, 2)])


def test_a_first_request_compiles_nothing(service):
    compiled = list(service.predictor.compiled)
    service([Request(TEXTS[0])])
    assert list(service.predictor.compiled) == compiled


def test_answers_are_the_translations(service, answers):
    expected = service.predictor(TEXTS, service.search)
    for count, answer, best in zip((2, 3, 4), answers, expected, strict=True):
        assert conforms(answer, openapi.schema(Answer))
        assert [t["text"] for t in answer["translations"]] == [
            h.text for h in best[:count]
        ]
    assert [len(answer["translations"]) for answer in answers] == [2, 0, 4]
    assert service.search.n_best == MOST


def test_each_token_attends_to_the_sentence(answers):
    assert answers[1]["attention"] is None
    attention = answers[0]["attention"]
    weights = np.array(attention["weights"])
    sizes = len(attention["target"]), len(attention["source"])
    assert weights.shape == sizes
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-2)


def test_the_page_shows_translations_and_the_matrix(answers):
    html = server.rendered(Service, Request(TEXTS[0]), answers[0])
    assert html.count("<li>") == 2
    assert html.count('<th scope="row">') == len(
        answers[0]["attention"]["target"]
    )
    assert "style=" not in html
    empty = server.rendered(Service, Request(" "), answers[1])
    assert "No token to read." in empty
    assert "<table" not in empty


def test_the_saved_model_takes_the_columns_of_the_page_of_serving(trained):
    text = (ROOT / "docs/tensorflow_serving.md").read_text()
    asked = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[2])
    model = export.load(trained.run.file("export"))
    signature = model.signatures[asked["signature_name"]]
    specs = signature.structured_input_signature[1]
    inputs = {
        name: tf.constant(value, specs[name].dtype)
        for name, value in asked["inputs"].items()
    }
    outputs = signature(**inputs)
    assert outputs["text"].shape == outputs["score"].shape == (2, 4)
    assert outputs["status"].numpy().tolist() == [b"ok", b"empty"]
