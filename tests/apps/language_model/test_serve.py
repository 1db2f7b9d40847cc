"""What streams to the page is what `predict` draws."""

import pytest

from apps.common.search import Search
from apps.common.serving import openapi, server
from apps.language_model.serve import Answer, Request, Service
from tests.apps.tools import conforms


@pytest.fixture(scope="module")
def service(predictor):
    service = Service(predictor)
    service.warm(None)
    return service


def test_a_first_request_compiles_nothing(service):
    compiled = list(service.predictor.compiled)
    list(service.stream(Request("the ", length=2, seed=1)))
    assert list(service.predictor.compiled) == compiled


def test_each_answer_has_a_token_more(service):
    predictor = service.predictor
    request = Request("the ", length=12, temperature=0.81, seed=3)
    answers = list(service.stream(request))
    assert all(conforms(a, openapi.schema(Answer)) for a in answers)
    *steps, last = answers
    assert [a["tokens"] for a in steps] == list(range(1, len(steps) + 1))
    assert [a["finished"] for a in answers] == [False] * len(steps) + [True]
    search = Search(sample=True, temperature=0.8, seed=3)
    (prompt,) = predictor.prompts(["the"])
    drawn = list(predictor.drawn(prompt, search, 12))
    assert last["continuation"] == predictor.text(drawn, "the")
    html = server.rendered(Service, request, steps[0])
    assert "▍" in html
    assert "▍" not in server.rendered(Service, request, last)
