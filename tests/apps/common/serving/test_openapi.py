"""The description of the JSON says what is asked and what is answered."""

from types import SimpleNamespace

import pytest

from apps.common.serving import openapi
from tests.apps.common.serving.toy import Answer, Picture, Service


class OfPictures(Service):
    Request = Picture
    streams = True


def operation(kind):
    run = SimpleNamespace(app="echo", name="a/b c")
    document = openapi.document([(run, kind)])
    return document, document["paths"]["/api/echo/a%2Fb%20c"]["post"]


def test_a_request_of_json():
    document, post = operation(Service)
    schemas = document["components"]["schemas"]
    content = post["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/echo_request"}
    assert schemas["echo_request"]["required"] == ["text"]
    assert schemas["echo_request"]["properties"]["times"] == {
        "type": "integer",
        "description": "repetitions",
        "default": 1,
        "minimum": 1,
        "maximum": 5,
    }
    assert schemas["echo_request"]["properties"]["text"]["maxLength"] == 100
    assert {"200", "413", "422", "503"} <= set(post["responses"])


def test_an_upload_has_its_options_in_the_query():
    _, post = operation(OfPictures)
    assert list(post["requestBody"]["content"]) == ["application/octet-stream"]
    assert [p["name"] for p in post["parameters"]] == ["times"]
    assert "application/x-ndjson" in post["responses"]["200"]["content"]


def test_schemas_of_types():
    assert openapi.schema(Answer) == {
        "type": "object",
        "description": "The text again.",
        "properties": {
            "text": {"type": "string"},
            "words": {"type": "array", "items": {"type": "string"}},
            "batch": {"type": "integer"},
            "first": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "lengths": {
                "type": "object",
                "additionalProperties": {"type": "integer"},
            },
        },
        "required": ["text", "words", "batch", "first", "lengths"],
    }
    with pytest.raises(TypeError, match="no JSON schema"):
        openapi.schema(complex)
