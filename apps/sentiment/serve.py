"""The page and the JSON of a run: a text in, its label and words out."""

import dataclasses
import typing
from collections.abc import Sequence

from apps.common import cli
from apps.common.serving import service


class Word(typing.TypedDict):
    """A word as the model reads it, and how much it looked at it."""

    word: str
    weight: float


class Answer(typing.TypedDict):
    """The label of a text; empty if there is no word in it."""

    label: str
    probability: float
    probabilities: dict[str, float]
    words: list[Word]


@dataclasses.dataclass(frozen=True)
class Request:
    """A text to label."""

    text: str = cli.flag("", "text", at_least=1, at_most=20_000)


class Service(service.TextService):
    """Labels texts."""

    title = "Sentiment"
    lead = "Write a text: its label, and the words that the model looked at."
    template = "sentiment/serve.html.jinja"
    Request = Request
    Answer = Answer

    def __call__(self, batch: Sequence[Request]) -> list[Answer]:
        """Label a batch."""
        predictions = self.predictor([request.text for request in batch])
        return [self._answer(prediction) for prediction in predictions]

    def _answer(self, prediction):
        labels, shares = self.predictor.labels, prediction.probabilities
        return {
            "label": prediction.label,
            "probability": prediction.probability,
            "probabilities": dict(zip(labels, shares, strict=True)),
            "words": [
                {"word": word, "weight": weight}
                for word, weight in zip(
                    prediction.words, prediction.weights, strict=True
                )
            ],
        }
