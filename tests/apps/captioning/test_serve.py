"""What the page and the JSON answer is what `predict` says."""

import io

import numpy as np
import pytest
from PIL import Image

from apps.captioning.serve import Answer, Request, Service, shown, tiles
from apps.common.serving import openapi, server
from data_pipelines.files.errors import DataError
from tests.apps.tools import conforms


@pytest.fixture(scope="module")
def pictures(trained):
    images = trained[0].parents[2] / "pictures" / "images"
    return sorted(path for path in images.glob("[0-9]*"))[:2]


@pytest.fixture(scope="module")
def asked(pictures):
    contents = [path.read_bytes() for path in pictures]
    return [Request(content, n) for n, content in enumerate(contents, 1)]


@pytest.fixture(scope="module")
def service(captioner):
    service = Service(captioner)
    service.warm(None)
    return service


@pytest.fixture(scope="module")
def answers(service, asked):
    return service([service.prepare(request) for request in asked])


def test_a_first_request_compiles_nothing(service, asked):
    compiled = list(service.predictor.compiled)
    service([service.prepare(asked[0])])
    assert list(service.predictor.compiled) == compiled


def test_answers_are_the_captions(service, pictures, answers):
    expected = service.predictor(pictures, service.search)
    for count, answer, best in zip((1, 2), answers, expected, strict=True):
        assert conforms(answer, openapi.schema(Answer))
        assert [c["text"] for c in answer["captions"]] == [
            h.text for h in best[:count]
        ]


def test_a_picture_that_cannot_be_read_is_one_line(service):
    with pytest.raises(DataError, match="picture: is no JPEG, PNG"):
        service.prepare(Request(b"torn"))


def test_the_page_shows_the_picture_and_a_tile_a_word(asked, answers):
    html = server.rendered(Service, asked[0], answers[0])
    words = answers[0]["attention"]
    assert html.count("<img") == 1 + len(words)
    assert html.count("<li>") == 1 + len(words)
    assert "style=" not in html


def test_fog_lies_where_nobody_looked():
    buffer = io.BytesIO()
    Image.new("RGB", (80, 40), "black").save(buffer, "PNG")
    weights = [[0.0, 1.0]]
    (tile,) = tiles(buffer.getvalue(), [{"word": "right", "weights": weights}])
    pixels = np.asarray(Image.open(io.BytesIO(tile)))
    assert pixels.shape == (40, 80, 3)
    assert pixels[20, 4].min() > 90
    assert pixels[20, 75].max() < 30
    assert Image.open(io.BytesIO(shown(buffer.getvalue()))).size == (80, 40)
