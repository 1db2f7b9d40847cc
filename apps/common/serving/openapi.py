"""The OpenAPI description of the JSON of all runs."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterable
from urllib.parse import quote

from apps.common import runs

from .service import UPLOADS, Service, upload

_TYPES = {bool: "boolean", float: "number", int: "integer", str: "string"}
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
_STATUSES = {
    "400": "the body is no JSON object",
    "404": "there is no such run",
    "413": "the body is too large",
    "422": "something is wrong with the input; the error says what",
    "503": "too many requests are waiting; Retry-After says when to try again",
    "504": "it took too long",
}


def document(served: Iterable[tuple[runs.Run, type[Service]]]) -> dict:
    """Return the description of runs and how they are served."""
    paths, schemas = {}, {"Error": _ERROR}
    for run, service in served:
        schemas[f"{run.app}_answer"] = schema(service.Answer)
        schemas[f"{run.app}_request"] = _request(service.Request)
        path = f"/api/{run.app}/{quote(run.name, safe='')}"
        paths[path] = {"post": _operation(run, service)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Unroll", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def schema(hint) -> dict:
    """Return the JSON schema of a type: `TypedDict`s, lists, dicts, scalars."""
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if typing.is_typeddict(hint):
        fields = typing.get_type_hints(hint)
        return {
            "type": "object",
            "description": inspect.getdoc(hint).partition("\n")[0],
            "properties": {name: schema(kind) for name, kind in fields.items()},
            "required": list(fields),
        }
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return {"type": "array", "items": schema(inside[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(inside[1])}
    if origin is types.UnionType:  # with None
        return {"anyOf": [schema(inside[0]), {"type": "null"}]}
    raise TypeError(f"no JSON schema of {hint}")


def _operation(run, service):
    body = upload(service.Request)
    content = {"application/json": {"schema": _reference(run.app, "request")}}
    parameters = []
    if body is not None:
        content = {"application/octet-stream": {"schema": {}}}
        parameters = [
            {
                "name": name,
                "in": "query",
                "description": value["description"],
                "schema": value,
            }
            for name, value in _request(service.Request)["properties"].items()
        ]
    answer = {"schema": _reference(run.app, "answer")}
    answers = {"application/json": answer}
    if service.streams:
        answers["application/x-ndjson"] = answer
    error = {"application/json": {"schema": {"$ref": _path("Error")}}}
    return {
        "summary": f"{service.title}: {service.lead}",
        "operationId": f"{run.app}_{run.name}",
        "tags": [run.app],
        "parameters": parameters,
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {"description": "the answer", "content": answers},
            **{
                status: {"description": why, "content": error}
                for status, why in _STATUSES.items()
            },
        },
    }


def _reference(app, name):
    return {"$ref": _path(f"{app}_{name}")}


def _path(name):
    return f"#/components/schemas/{name}"


def _request(request):
    """Return the schema of the fields of a request that are no upload."""
    fields = [
        field
        for field in dataclasses.fields(request)
        if field.type not in UPLOADS
    ]
    return {
        "type": "object",
        "properties": {field.name: _field(field) for field in fields},
        "required": [
            f.name for f in fields if f.default == "" and f.metadata["at_least"]
        ],
        "additionalProperties": False,
    }


def _field(field):
    about = field.metadata
    low, most = ("minimum", "maximum")
    if field.type is str:
        low, most = ("minLength", "maxLength")
    values = {
        "description": about["help"],
        "enum": about["choices"],
        "default": None if field.default == "" else field.default,
        low: about["at_least"],
        most: about["at_most"],
    }
    present = {name: v for name, v in values.items() if v is not None}
    return {"type": _TYPES[field.type], **present}
