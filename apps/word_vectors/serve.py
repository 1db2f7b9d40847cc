"""The page and the JSON of a run: a sum of words in, words near it out."""

import dataclasses
import typing
from collections.abc import Sequence

from apps.common import cli
from apps.common.serving import service
from data_pipelines.files.errors import DataError


class Word(typing.TypedDict):
    """A word, and its cosine with what was asked."""

    word: str
    similarity: float


class Answer(typing.TypedDict):
    """The nearest words, the nearest first."""

    words: list[Word]


@dataclasses.dataclass(frozen=True)
class Request:
    """A word, or words with + and - between."""

    text: str = cli.flag("", "word, or sum of words", at_least=1, at_most=1000)
    count: int = cli.flag(10, "words to list", at_least=1, at_most=100)


class Service(service.TextService):
    """Lists the words near a sum."""

    title = "Word vectors"
    lead = "Write a word, or a sum such as king - man + woman."
    template = "word_vectors/serve.html.jinja"
    Request = Request
    Answer = Answer

    def __call__(self, batch: Sequence[Request]) -> list[Answer]:
        """Answer a batch."""
        return [self._answer(request) for request in batch]

    def _answer(self, request) -> Answer:
        from .predict import parsed

        try:
            near = self.predictor.near(parsed(request.text), request.count)
        except cli.UserError as error:  # an unknown word
            raise DataError(str(error)) from None
        return {
            "words": [
                {"word": word, "similarity": round(value, 4)}
                for word, value in near
            ]
        }
