"""The page and the JSON of a run: a sentence in, its labels or its tree out."""

import dataclasses
import typing
from collections.abc import Sequence

from apps.common import cli
from apps.common.serving import service


class Word(typing.TypedDict):
    """A word of the text, by its characters, and what is said of it.

    The head is the number of a word, from 1 on, 0 the root; -1 but in a parse.
    """

    word: str
    start: int
    end: int
    label: str
    probability: float
    head: int


class Part(typing.TypedDict):
    """Words with one label, or between such; "" is none."""

    text: str
    label: str


class Answer(typing.TypedDict):
    """The words of a text, and the intent; "" if the run knows none."""

    words: list[Word]
    parts: list[Part]
    intent: str
    intent_probability: float


@dataclasses.dataclass(frozen=True)
class Request:
    """A text to label."""

    text: str = cli.flag("", "text", at_least=1, at_most=20_000)


class Service(service.TextService):
    """Labels words."""

    title = "Tagging"
    lead = "Write a sentence: the labels of its words, or the tree over them."
    template = "tagging/serve.html.jinja"
    Request = Request
    Answer = Answer

    @classmethod
    def of_run(cls, run):
        """Load the model of a run, unless it reads more than words."""
        loaded = super().of_run(run)
        columns = loaded.predictor.columns
        if columns:
            raise cli.UserError(
                f"{run.path} reads {' and '.join(columns)} beside the words,"
                " which a text has not; label columns by predict"
            )
        return loaded

    def __call__(self, batch: Sequence[Request]) -> list[Answer]:
        """Label a batch."""
        texts = [request.text for request in batch]
        places = self.predictor.tokenize(texts)
        words = [
            [text[start:end] for start, end in own]
            for text, own in zip(texts, places, strict=True)
        ]
        answered = iter(self.predictor([own for own in words if own]))
        return [
            _answer(own, edges, next(answered))
            if own
            else Answer(words=[], parts=[], intent="", intent_probability=0.0)
            for own, edges in zip(words, places, strict=True)
        ]


def _answer(words, places, prediction) -> Answer:
    from .show import segments

    heads = prediction.heads or [-1] * len(words)
    rows = zip(
        *(words, places, prediction.tags, prediction.probabilities, heads),
        strict=True,
    )
    return {
        "words": [
            {
                "word": word,
                "start": start,
                "end": end,
                "label": label,
                "probability": probability,
                "head": head,
            }
            for word, (start, end), label, probability, head in rows
        ],
        "parts": [
            {"text": part.text, "label": part.label}
            for part in segments(words, prediction.tags, prediction.tags)
        ],
        "intent": prediction.intent,
        "intent_probability": prediction.intent_probability,
    }
