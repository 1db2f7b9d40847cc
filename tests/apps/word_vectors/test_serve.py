"""The page lists what `predict` does, and names unknown words."""

import pytest

from apps.common.serving import openapi, server
from apps.word_vectors.predict import Sum
from apps.word_vectors.serve import Answer, Request, Service
from data_pipelines.files.errors import DataError
from tests.apps.tools import conforms


@pytest.fixture(scope="module")
def service(predictor):
    return Service(predictor)


def test_the_answer_is_that_of_predict(service, predictor):
    request = Request("king - man + woman", 3)
    (answer,) = service([request])
    assert conforms(answer, openapi.schema(Answer))
    near = predictor.near(Sum(["king", "woman"], ["man"]), 3)
    assert [item["word"] for item in answer["words"]] == [w for w, _ in near]
    html = server.rendered(Service, request, answer)
    assert f"<dt>{near[0][0]}</dt>" in html


def test_an_unknown_word_is_an_error_of_the_request(service):
    with pytest.raises(DataError, match="'wman' is not among"):
        service([Request("wman", 3)])


def test_examples_are_words(trained):
    assert "france" in Service.examples(trained.run)
