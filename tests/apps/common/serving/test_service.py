"""Requests are checked by what their fields say."""

import math
from types import SimpleNamespace

import pytest

from apps.common.serving import service
from data_pipelines.files.errors import DataError
from tests.apps.common.serving import toy
from tests.apps.common.serving.toy import Picture, Request


def test_values_of_json():
    values = {"text": "a\ud800", "times": 2, "share": 1, "loud": True}
    request = service.read(Request, values)
    assert request == Request("a?", 2, 1.0, True)
    assert type(request.share) is float


def test_values_of_a_query_are_words():
    assert service.read(Picture, {"times": "3"}, b"x") == Picture(b"x", 3)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "text is missing: text"),
        ({"text": " \n"}, "text is empty"),
        ({"text": "a" * 101}, "text: 101 characters; at most 100"),
        ({"text": 3}, "text: expected a text"),
        ({"text": "a", "times": 6}, "times: 6; at most 5"),
        ({"text": "a", "times": 0}, "times: 0 is less than 1"),
        ({"text": "a", "times": True}, "times: expected a whole number"),
        ({"text": "a", "times": "2"}, "times: expected a whole number"),
        ({"text": "a", "share": math.nan}, "share: expected a number"),
        ({"text": "a", "loud": 1}, "loud: expected true or false"),
        ({"text": "a", "kind": "x"}, "kind: expected one of plain, odd"),
        ({"txt": "a"}, "unknown field 'txt'; did you mean text?"),
    ],
)
def test_what_is_wrong_is_said(values, line):
    with pytest.raises(DataError) as error:
        service.read(Request, values)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"times": "two"}, "times: expected a whole number"),
        ({"times": "9" * 5000}, "times: expected a whole number"),
        ({"picture": "x"}, "unknown field 'picture'; times"),
    ],
)
def test_what_is_wrong_with_a_query_is_said(values, line):
    with pytest.raises(DataError) as error:
        service.read(Picture, values, b"x")
    assert str(error.value) == line


def test_samples_are_the_inputs_of_one_epoch(tmp_path):
    run = SimpleNamespace(file=tmp_path.joinpath)
    assert service.samples(run) == []
    long = "a" * 161
    (tmp_path / "samples.txt").write_text(
        f"epoch 1\none\tx\n{long}\tx\none\ty\n\tx\ntwo\tx\n"
        "\nepoch 2\nthree\tx\n"
    )
    assert service.samples(run) == ["one", "two"]


@pytest.mark.parametrize(
    ("examples", "sizes"), [(["b", "c"], [1]), ([], [1]), (["odd"], [])]
)
def test_an_example_makes_a_service_of_texts_warm(examples, sizes):
    class Echo(toy.Service, service.TextService):
        @classmethod
        def examples(cls, run):
            return examples

    echo = Echo()
    echo.warm(None)
    assert echo.sizes == sizes
