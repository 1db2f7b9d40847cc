"""The page and the JSON of a run: a picture in, captions out."""

import dataclasses
import typing
from collections.abc import Sequence

import numpy as np
from PIL import Image

from apps.common import cli
from apps.common.serving import service
from data_pipelines.vision import images

MOST = 5
SIDE = 512  # pixels of the picture on the page
TILE = 176  # of one with attention


class Caption(typing.TypedDict):
    """A caption and its score, a log-probability by the length."""

    text: str
    score: float


class Attention(typing.TypedDict):
    """Where the model looked at a word, rows of regions from the top."""

    word: str
    weights: list[list[float]]


class Answer(typing.TypedDict):
    """The best captions, and the attention of the first."""

    captions: list[Caption]
    attention: list[Attention]


@dataclasses.dataclass(frozen=True)
class Request:
    """A picture to describe."""

    picture: bytes = cli.flag(b"", "JPEG, PNG, WebP, BMP or GIF", at_most=2**24)
    n_best: int = cli.flag(3, "captions to show", at_least=1, at_most=MOST)


class Prepared(typing.NamedTuple):
    """A picture as the model reads it, uint8 `(H, W, 3)`."""

    pixels: np.ndarray
    n_best: int


def shown(picture: bytes) -> bytes:
    """Return a picture as the page shows it, a JPEG."""
    return images.jpeg(images.thumbnail(picture, SIDE))


def tiles(picture: bytes, attention: Sequence[Attention]) -> list[bytes]:
    """Return a JPEG for each word: the picture, in fog where nobody looked."""
    from .attention import overlay

    pixels = np.asarray(images.thumbnail(picture, TILE))
    weights = [np.array(item["weights"]) for item in attention]
    return [images.jpeg(Image.fromarray(overlay(pixels, w))) for w in weights]


class Service(service.Service):
    """Describes pictures."""

    title = "Captioning"
    lead = "Drop a picture: its captions, and where the model looked."
    template = "captioning/serve.html.jinja"
    helpers: typing.ClassVar = {"shown": shown, "tiles": tiles}
    Request = Request
    Answer = Answer

    def __init__(self, predictor):
        from apps.common.search import BeamSearch

        super().__init__(predictor)
        search = BeamSearch().search(predictor.config)
        beam = max(search.beam, MOST)
        # One search, so that there is one compiled function.
        self.search = dataclasses.replace(search, beam=beam, n_best=MOST)

    def warm(self, run):
        """Describe a black picture."""
        self([Prepared(np.zeros((*self.predictor.size, 3), "uint8"), 1)])

    def prepare(self, request: Request) -> Prepared:
        """Decode the picture.

        Raises:
            PictureError: It cannot be read.
        """
        size = self.predictor.size
        pixels = images.decode(request.picture, size, name="picture")
        return Prepared(pixels, request.n_best)

    def __call__(self, batch: Sequence[Prepared]) -> list[Answer]:
        """Describe a batch."""
        pixels = np.stack([prepared.pixels for prepared in batch])
        inputs = self.predictor.model_inputs(pixels)
        captions = self.predictor.decode(inputs, self.search)
        best = [hypotheses[0] for hypotheses in captions]
        attention = self.predictor.attention(inputs, best)
        return [
            {
                "captions": [
                    {"text": caption.text, "score": caption.score}
                    for caption in hypotheses[: prepared.n_best]
                ],
                "attention": _attention(*looked) if looked else [],
            }
            for prepared, hypotheses, looked in zip(
                batch, captions, attention, strict=True
            )
        ]


def _attention(words, weights):
    return [
        {"word": word, "weights": of_word.round(4).tolist()}
        for word, of_word in zip(words, weights, strict=True)
    ]
