"""Forecast what comes after a table of series.

    make predict-forecasting ARGS="--input my.csv --horizon 24"
    python -m apps.forecasting.predict --run m4 --input train.csv --output out

Written are `forecast.csv`, a row for each series and step with the mean and the
quantiles, and `charts.svg`. Each forecast begins behind the last value of its
series; rows behind it, without values, may hold covariates that are known. A
series shorter than the context is forecast by what there is of it, and one
without any value is left out and listed.
"""

from apps.common import cli
from apps.common.terminal import echo

from .config import PredictOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import dataclasses
from pathlib import Path

import numpy as np

import rnn_layers
from apps.common import ensemble, runs
from data_pipelines import forecasting as pipeline
from data_pipelines.files.table_writer import writing
from data_pipelines.forecasting.datasets import LEVELS
from data_pipelines.forecasting.frequency import Frequency

from . import charts, distributions
from .config import Config
from .inference import PATHS, Forecaster

BATCH = 256


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A finished run: series in, quantiles of their future out.

    Attributes:
        forecaster: By its best model.
        config: The `Config` of the run.
        frequency: Of the series it was trained on; it starts anywhere.
        names: Of the series it was trained on.
        columns: Names of its covariates.
    """

    forecaster: Forecaster
    config: Config
    frequency: Frequency
    names: list[str]
    columns: list[str]

    @classmethod
    def of_run(
        cls, run: runs.Run, horizon: int = 0, paths: int = PATHS
    ) -> "Predictor":
        """Open the best model of a run, for another horizon if one is given.

        Raises:
            UserError: It is longer than a direct model can forecast.
        """
        config = run.config(Config)
        loaded = runs.load_model(run.file("model.keras"))
        if config.horizon_mode == "direct" and horizon > config.horizon:
            raise cli.UserError(
                f"--horizon {horizon}: {run.path} forecasts {config.horizon}"
                " steps at once; train it with a longer --horizon, or with"
                " --horizon-mode recursive"
            )
        unit, step = runs.read_lines(run.file("frequency.txt"))
        frequency = Frequency(unit, int(step), 0)
        forecaster = Forecaster.of_config(
            loaded, config, frequency.seconds, paths, horizon
        )
        names = runs.read_lines(run.file("series.txt"))
        columns = runs.read_lines(run.file("columns.txt"))
        return cls(forecaster, config, frequency, names, columns)

    def latest(self, path: str = "", encoding: str = "") -> pipeline.Split:
        """Return the last window of each series of a table, or of the run.

        Raises:
            UserError: Its values are at another distance of time.
        """
        config = self.config
        split = pipeline.latest(
            "files" if path else config.dataset,
            path or config.data_path or None,
            cache_path=config.cache_path,
            context=self.forecaster.context,
            # Of a direct model fewer steps are shown, not forecast.
            horizon=max(self.forecaster.horizon, config.horizon),
            batch_size=BATCH,
            names=self.names,
            encoding=encoding if path else config.encoding,
            **(config.columns() | {"covariates": self.columns}),
        )
        frequency = dataclasses.replace(split.store.frequency, start=0)
        if frequency != self.frequency and split.store.values.lengths.max() > 1:
            raise cli.UserError(
                f"{path}: has a value every {frequency.name}; the run was"
                f" trained on one every {self.frequency.name}"
            )
        return split


def main(options: Options) -> None:
    """Forecast all series of a table."""
    opened = runs.open_runs("forecasting", options.run, options.runs_path)
    members = [
        Predictor.of_run(run, options.horizon, options.paths) for run in opened
    ]
    windows = []
    for run, member in zip(opened, members, strict=True):
        windows.append(member.latest(options.input, options.encoding))
        horizons = {m.forecaster.horizon for m in (members[0], member)}
        if len(horizons) > 1 or not _alike(windows[0], windows[-1]):
            raise ensemble.misfit(
                run,
                opened[0],
                "it forecasts another horizon or other series",
            )
    split = windows[0]
    # Of a batch or two, compiling loops would take longer than running them.
    with rnn_layers.plain_loops():
        quantiles = np.mean(
            [
                member.forecaster.of_split(own)
                for member, own in zip(members, windows, strict=True)
            ],
            axis=0,
        )
    for note in split.store.notes:
        echo(f"note     {note}")
    folder = Path(options.output or opened[0].file("forecasts"))
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "forecast.csv", split, quantiles)
    echo(f"wrote {folder / 'forecast.csv'}, {len(split):,} series")
    if options.charts:
        rows = range(min(options.charts, len(split)))
        picture = charts.fans(split, quantiles, rows, kind="svg")
        (folder / "charts.svg").write_bytes(picture)
        echo(f"wrote {folder / 'charts.svg'}")


def _alike(one, other):
    """Return whether the same is forecast: series, and steps behind them."""
    names = [split.store.names for split in (one, other)]
    return names[0] == names[1] and all(
        np.array_equal(own, others)
        for own, others in zip(one.windows, other.windows, strict=True)
    )


def write(path: Path, split: pipeline.Split, quantiles: np.ndarray) -> None:
    """Write forecasts `(N, H, Q)` of windows as a table."""
    series, origins = split.windows
    store, means = split.store, distributions.mean(quantiles)
    with writing(path) as add:
        for row, (number, origin) in enumerate(
            zip(series, origins, strict=True)
        ):
            first = int(store.starts[number] + origin)
            for step in range(quantiles.shape[1]):
                cells = {
                    "series": store.names[number],
                    "time": store.frequency.text(first + step),
                    "mean": f"{means[row, step]:.6g}",
                }
                for level, value in zip(
                    LEVELS, quantiles[row, step], strict=True
                ):
                    cells[f"q{level:g}"] = f"{value:.6g}"
                add(cells)


if __name__ == "__main__":
    cli.main(lambda: main(options))
