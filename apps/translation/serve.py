"""The page and the JSON of a run: a sentence in, translations out."""

import dataclasses
import typing
from collections.abc import Sequence

from apps.common import cli
from apps.common.serving import service

MOST = 5


class Translation(typing.TypedDict):
    """A translation and its score, a log-probability by the length."""

    text: str
    score: float


class Attention(typing.TypedDict):
    """How much each target token (rows) attends to each source token."""

    source: list[str]
    target: list[str]
    weights: list[list[float]]


class Answer(typing.TypedDict):
    """The best translations, and the attention of the first."""

    translations: list[Translation]
    attention: Attention | None


@dataclasses.dataclass(frozen=True)
class Request:
    """A sentence to translate."""

    text: str = cli.flag("", "sentence", at_least=1, at_most=2000)
    n_best: int = cli.flag(3, "translations to show", at_least=1, at_most=MOST)


class Service(service.TextService):
    """Translates sentences."""

    title = "Translation"
    lead = "Write a sentence: its translations, and what each token attends to."
    template = "translation/serve.html.jinja"
    Request = Request
    Answer = Answer

    def __init__(self, predictor):
        from apps.common.search import BeamSearch

        super().__init__(predictor)
        search = BeamSearch().search(predictor.config)
        beam = max(search.beam, MOST)
        # One search, so that there is one compiled function.
        self.search = dataclasses.replace(search, beam=beam, n_best=MOST)

    def __call__(self, batch: Sequence[Request]) -> list[Answer]:
        """Translate a batch."""
        texts = [request.text for request in batch]
        translations = self.predictor(texts, self.search)
        attention = [None] * len(batch)
        rows = [row for row, best in enumerate(translations) if best]
        if self.predictor.has_attention and rows:
            matrices = self.predictor.attention(
                [texts[row] for row in rows],
                [translations[row][0] for row in rows],
            )
            for row, (source, target, weights) in zip(
                rows, matrices, strict=True
            ):
                attention[row] = {
                    "source": source,
                    "target": target,
                    "weights": weights.round(4).tolist(),
                }
        return [
            {
                "translations": [
                    {"text": best.text, "score": best.score}
                    for best in hypotheses[: request.n_best]
                ],
                "attention": weights,
            }
            for request, hypotheses, weights in zip(
                batch, translations, attention, strict=True
            )
        ]
