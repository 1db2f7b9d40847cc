"""What an app says of itself to be served: `Service` in its `serve.py`.

A request is a frozen dataclass whose fields are described by `cli.flag`, as
flags are: the form of the page, the checks and the OpenAPI description come
from it. Of a `str` `at_most` bounds the letters, of an upload the bytes. A
field of the type `bytes` is an upload that stays in memory, one of the type
`Path` a temporary file. An answer is a `typing.TypedDict`; the same is JSON and
what the template of the page shows.
"""

import contextlib
import dataclasses
import difflib
import importlib
import math
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from apps.common import runs
from data_pipelines.files.errors import DataError

UPLOADS = (bytes, Path)
_NAMES = {
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "a text",
}


class Service:
    """How the runs of an app are served; an app's own class extends it.

    The module of the class imports no TensorFlow: `of_run` does, later.

    Args:
        predictor: The `Predictor` of the app's `predict`.

    Attributes:
        title: Of the app.
        lead: What to do on the page, in a sentence.
        template: Path below `apps/` of the template that shows an `answer`; it
            knows the `request`, too, and `helpers`.
        helpers: Functions for the template, by name.
        Request: The dataclass of a request.
        Answer: The `TypedDict` of an answer.
        streams: Whether `stream` answers, not `__call__`.
    """

    title = ""
    lead = ""
    template = ""
    helpers: typing.ClassVar[dict[str, Callable]] = {}
    Request: type
    Answer: type
    streams = False

    def __init__(self, predictor):
        self.predictor = predictor

    @classmethod
    def of_run(cls, run: runs.Run) -> typing.Self:
        """Load the model of a run."""
        predict = importlib.import_module(f"apps.{run.app}.predict")
        return cls(predict.Predictor.of_run(run))

    @classmethod
    def examples(cls, run: runs.Run) -> Sequence[str]:
        """Return texts to try on the page."""
        return ()

    @classmethod
    def live_fps(cls, run: runs.Run) -> float:
        """Return frames a second that `live` takes; 0: not live."""
        return 0.0

    def warm(self, run: runs.Run) -> None:
        """Compute once, so that what is compiled delays no request."""

    def prepare(self, request) -> typing.Any:
        """Do what needs no model, such as decoding a picture, in any thread.

        Raises:
            DataError: Something is wrong with the request.
        """
        return request

    def __call__(self, batch: Sequence) -> Sequence[Mapping]:
        """Return an answer to each of what `prepare` returned.

        Raises:
            DataError: Something is wrong with one; each is tried alone then.
        """
        raise NotImplementedError

    def stream(self, prepared) -> Iterator[Mapping]:
        """Yield answers, each with more in it than the one before."""
        raise NotImplementedError

    def live(self) -> Callable[[typing.Any], Mapping]:
        """Return a function of the frames of one live video, as they come.

        It takes what `prepare_frame` returns.
        """
        raise NotImplementedError

    def prepare_frame(self, content: bytes) -> typing.Any:
        """Decode a frame of a live video, in any thread."""
        raise NotImplementedError


class TextService(Service):
    """How the runs of an app are served that takes a text and answers once."""

    @classmethod
    def examples(cls, run):
        """Return the inputs of `samples.txt`."""
        return samples(run)

    def warm(self, run):
        """Answer the first example."""
        text = next(iter(self.examples(run)), "a")
        with contextlib.suppress(DataError):
            self([self.prepare(self.Request(text=text))])


def upload(request: type) -> dataclasses.Field | None:
    """Return the field that the body of a request is, if it is no JSON."""
    fields = dataclasses.fields(request)
    return next((field for field in fields if field.type in UPLOADS), None)


def read(request: type, values: Mapping, uploaded=None):
    """Check the values of a request; return the dataclass.

    Args:
        request: The dataclass.
        values: Name -> value, of JSON, or strings of a query.
        uploaded: The value of the field that is an upload.

    Raises:
        DataError: One is unknown, missing, of another type or out of bounds.
    """
    fields = {field.name: field for field in dataclasses.fields(request)}
    body = upload(request)
    if body is not None:
        del fields[body.name]
    for name in values:
        if name not in fields:
            close = difflib.get_close_matches(str(name), fields, 1)
            names = f"did you mean {close[0]}?" if close else ", ".join(fields)
            raise DataError(
                f"unknown field {str(name)[:80]!r}; {names or 'there are none'}"
            )
    checked = {
        name: _value(fields[name], value, body is not None)
        for name, value in values.items()
    }
    for name, field in fields.items():
        if (
            name not in checked
            and field.metadata["at_least"]
            and not (field.default)
        ):
            raise DataError(f"{name} is missing: {field.metadata['help']}")
    if body is not None:
        checked[body.name] = uploaded
    return request(**checked)


def _value(field, value, from_query):
    kind, name = field.type, field.name
    if from_query and kind is not str:
        value = _parsed(kind, value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise DataError(f"{name}: expected {_NAMES[kind]}")
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise DataError(f"{name}: expected one of {', '.join(choices)}")
    low, most = field.metadata["at_least"], field.metadata["at_most"]
    size, unit = value, ""
    if kind is str:
        # Halves of characters, which JSON can hold and UTF-8 cannot.
        value = value.encode("utf-8", "replace").decode("utf-8")
        size, unit = len(value), " characters"
        if low and not value.strip():
            raise DataError(f"{name} is empty")
    if low is not None and size < low:
        raise DataError(f"{name}: {size:,}{unit} is less than {low:,}")
    if most is not None and size > most:
        raise DataError(f"{name}: {size:,}{unit}; at most {most:,}")
    return value


def _parsed(kind, word):
    """Return the value of a word; itself if it is none of that type."""
    if kind is bool:
        return {"true": True, "false": False}.get(word, word)
    try:
        return kind(word)
    except ValueError:
        return word


def samples(run: runs.Run, most: int = 4, longest: int = 160) -> list[str]:
    """Return inputs of `samples.txt`, which training wrote."""
    try:
        text = run.file("samples.txt").read_text("utf-8", "replace")
    except OSError:
        return []
    first = text.partition("\n\n")[0].split("\n")[1:]
    texts = dict.fromkeys(line.partition("\t")[0] for line in first)
    return [text for text in texts if 0 < len(text) <= longest][:most]
