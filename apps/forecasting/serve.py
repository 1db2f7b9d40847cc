"""The page and the JSON of a run: values of a series in, its future out."""

import dataclasses
import datetime
import math
import re
import typing
from collections.abc import Sequence

import numpy as np

from apps.common import cli
from apps.common.serving import service
from data_pipelines.files.errors import DataError

MOST_VALUES = 10_000
WIDTH, HEIGHT = 1000, 280  # of the chart, in its own units
PAST = 3  # horizons of the past that are drawn


class Answer(typing.TypedDict):
    """Quantiles of the next values, a row a step, a column a level."""

    values: list[float | None]
    levels: list[float]
    quantiles: list[list[float]]


@dataclasses.dataclass(frozen=True)
class Request:
    """The values of a series so far."""

    text: str = cli.flag(
        "",
        "values, the oldest first, nan where one is missing",
        at_least=1,
        at_most=200_000,
    )
    time: str = cli.flag(
        "",
        "time of the first step to forecast, such as 2026-11-30 12:00, if the"
        " run knows the calendar; empty: this hour",
        at_most=40,
    )


class Prepared(typing.NamedTuple):
    """Values, NaN where they are missing, and seconds from 1970 on."""

    values: list[float]
    time: int | None


class Fan(typing.NamedTuple):
    """A chart as points of SVG: intervals, median, what was before."""

    bands: list[str]
    median: str
    past: list[str]
    now: float
    low: float
    high: float


def fan(answer: Answer) -> Fan:
    """Return the chart of a forecast."""
    quantiles = np.array(answer["quantiles"])  # H Q
    horizon, levels = quantiles.shape
    past = np.array(answer["values"], float)[-PAST * horizon :]
    low = float(min(np.nanmin(past, initial=np.inf), quantiles.min()))
    high = float(max(np.nanmax(past, initial=-np.inf), quantiles.max()))
    across = WIDTH / max(len(past) + horizon - 1, 1)

    def points(values, first):
        return [
            f"{across * (first + n):.1f},"
            f"{HEIGHT * (1 - (value - low) / ((high - low) or 1)):.1f}"
            for n, value in enumerate(values)
        ]

    begin = len(past)
    known = np.flatnonzero(~np.isnan(past))
    runs = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    return Fan(
        [
            " ".join(
                points(quantiles[:, n], begin)
                + points(quantiles[:, -1 - n], begin)[::-1]
            )
            for n in range(levels // 2)
        ],
        " ".join(points(quantiles[:, levels // 2], begin)),
        [" ".join(points(past[run], run[0])) for run in runs if len(run)],
        across * (begin - 0.5),
        low,
        high,
    )


class Service(service.TextService):
    """Forecasts series."""

    title = "Forecasting"
    lead = "Paste the values of a series: quantiles of those to come."
    template = "forecasting/serve.html.jinja"
    helpers: typing.ClassVar = {"fan": fan}
    Request = Request
    Answer = Answer

    def __init__(self, serve):
        self.serve = serve
        self.inputs = serve.structured_input_signature[1]

    @classmethod
    def of_run(cls, run):
        """Load the model of a run: its SavedModel, which takes raw values."""
        from apps.common import export

        if not run.file("export").exists():
            raise cli.UserError(
                f"{run.path} has no export/; write it with"
                f' `make export-forecasting ARGS="--run {run.name}"`'
            )
        served = cls(export.load(run.file("export")).signatures["serve"])
        if "covariates" in served.inputs:
            raise cli.UserError(
                f"{run.path} needs covariates, which a page cannot take; use"
                " `make predict-forecasting`"
            )
        return served

    @classmethod
    def examples(cls, run):
        """Return a season with a trend."""
        steps = range(60)
        values = (20 + 0.1 * n + 6 * math.sin(n * math.pi / 6) for n in steps)
        return [" ".join(f"{value:.1f}" for value in values)]

    def prepare(self, request: Request) -> Prepared:
        """Read the values.

        Raises:
            DataError: One is no number, or the time is none.
        """
        words = re.split(r"[\s,;]+", request.text.strip(" \t\r\n,;"))
        values = []
        for number, word in enumerate(words[: MOST_VALUES + 1], 1):
            try:
                values.append(float(word))
            except ValueError:
                values.append(math.inf)
            if math.isinf(values[-1]):
                raise DataError(
                    f"text: value {number} is {word[:40]!r}; expected a number"
                    " or nan"
                )
        if len(values) > MOST_VALUES:
            raise DataError(f"text: more than {MOST_VALUES:,} values")
        if all(map(math.isnan, values)):
            raise DataError("text: no value is known")
        if "time" not in self.inputs:
            return Prepared(values, None)
        now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H}:00"
        try:
            time = datetime.datetime.fromisoformat(request.time or now)
        except ValueError:
            raise DataError(
                "time: the run knows the calendar; expected the time of the"
                " first step to forecast, such as 2026-11-30 12:00"
            ) from None
        time = time.replace(tzinfo=time.tzinfo or datetime.UTC)
        return Prepared(values, int(time.timestamp()))

    def __call__(self, batch: Sequence[Prepared]) -> list[Answer]:
        """Forecast a batch."""
        import tensorflow as tf

        longest = max(len(prepared.values) for prepared in batch)
        series = np.full((len(batch), longest), np.nan, np.float32)
        for row, prepared in zip(series, batch, strict=True):
            row[-len(prepared.values) :] = prepared.values
        inputs = {
            "series": series,
            "time": np.array([p.time or 0 for p in batch], np.int64),
            "id": np.zeros(len(batch), np.int32),  # of no series that it knows
        }
        outputs = self.serve(
            **{name: tf.constant(inputs[name]) for name in self.inputs}
        )
        quantiles, levels = (
            outputs[name].numpy().astype(float)
            for name in ("quantiles", "levels")
        )
        return [
            {
                "values": [
                    None if math.isnan(value) else value
                    for value in prepared.values
                ],
                "levels": own.round(4).tolist(),
                "quantiles": ahead.tolist(),
            }
            for prepared, ahead, own in zip(
                batch, quantiles, levels, strict=True
            )
        ]
