"""The page and the JSON of a run: a beginning in, what follows out."""

import dataclasses
import typing
from collections.abc import Iterator

from apps.common import cli
from apps.common.search import Search
from apps.common.serving import service


class Answer(typing.TypedDict):
    """What has been drawn so far."""

    text: str
    continuation: str
    tokens: int
    finished: bool


@dataclasses.dataclass(frozen=True)
class Request:
    """A beginning of a text, perhaps an empty one."""

    text: str = cli.flag("", "beginning", at_most=2000)
    length: int = cli.flag(200, "most tokens", at_least=1, at_most=1000)
    temperature: float = cli.flag(0.8, "temperature", at_least=0.1, at_most=2.0)
    seed: int = cli.flag(0, "random seed", at_least=0, at_most=2**31)


class Service(service.Service):
    """Goes on with beginnings."""

    title = "Language model"
    lead = "Write a beginning: the text streams while it is drawn."
    template = "language_model/serve.html.jinja"
    Request = Request
    Answer = Answer
    streams = True

    def warm(self, run):
        """Draw a token."""
        next(self.stream(Request()), None)

    def stream(self, request: Request) -> Iterator[Answer]:
        """Yield the text after each token."""
        search = Search(
            sample=True,
            # Each temperature has a compiled function.
            temperature=round(request.temperature, 1),
            seed=request.seed,
        )
        request = dataclasses.replace(request, text=request.text.strip())
        (prompt,) = self.predictor.prompts([request.text])
        ids: list[int] = []
        for token in self.predictor.drawn(prompt, search, request.length):
            ids.append(token)
            yield self._answer(request, ids, False)
        yield self._answer(request, ids, True)

    def _answer(self, request, ids, finished) -> Answer:
        return {
            "text": request.text,
            "continuation": self.predictor.text(ids, request.text),
            "tokens": len(ids),
            "finished": finished,
        }
