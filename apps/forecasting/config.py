"""Every flag of the forecasting app: the only home of its defaults."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from apps.common import (
    checks,
    cli,
    distributed,
    faults,
    formats,
    runs,
    scoring,
    transfer,
)
from data_pipelines.files import splits

CELLS = cli.constant("rnn_layers.cells.catalogue", "CELLS")
SOURCES = cli.constant("data_pipelines.forecasting.pipeline", "SOURCES")
OUTPUTS = cli.constant("apps.forecasting.distributions", "OUTPUTS")
METRICS = cli.constant("apps.forecasting.scores", "METRICS")
MODELS = ("ar", "nn_ar", "rnn", "hmm")
HORIZON_MODES = ("direct", "recursive")
SCALINGS = ("mean", "instance", "seasonal", "none")
BASELINE_SERIES = cli.flag(
    20,
    "most windows for which theta, ets and arima are fitted (0: none)",
    at_least=0,
    at_most=1_000_000,
)


@dataclasses.dataclass(frozen=True)
class Config(distributed.Flags):
    """Train a model that forecasts series."""

    dataset: str = cli.flag("demo", "data set", choices=SOURCES, group="data")
    data_path: str = cli.flag("", "folder of your files, or one file")
    encoding: str = runs.ENCODING
    download: bool = cli.flag(False, "there is no public set yet", rare=True)
    series_column: str = cli.flag("", "column of the names of series")
    time_column: str = cli.flag("", "column of times; empty: by usual names")
    value_column: str = cli.flag("", "column of values; empty: by usual names")
    covariates: str = cli.flag(
        "all",
        "columns of a long table to read beside the values, separated by"
        " commas; all: those of numbers; none",
        at_least=1,
    )
    known_covariates: str = cli.flag(
        "", "those of them that are known ahead, such as a holiday"
    )
    horizon: int = cli.flag(24, "steps to forecast", at_least=1, at_most=10_000)
    context: int = cli.flag(
        0,
        "steps that a forecast looks back; 0: three seasons or two horizons",
        at_least=0,
        at_most=100_000,
    )
    season: int = cli.flag(
        0,
        "steps of a season; 0: as usual for the frequency",
        at_least=0,
        at_most=100_000,
    )
    origins: int = cli.flag(
        1,
        "forecasts of each series in valid and in test, where they are cut"
        " from train",
        at_least=1,
        at_most=10_000,
    )
    stride: int = cli.flag(
        0,
        "steps from one of those forecasts to the next; 0: the horizon",
        at_least=0,
        at_most=10_000,
    )
    model: str = cli.flag("rnn", "model", choices=MODELS, group="model")
    cell: str = cli.flag("gru", "recurrent cell", choices=CELLS)
    units: int = cli.flag(64, "units of a layer", at_least=1, at_most=8192)
    depth: int = cli.flag(1, "layers", at_least=1, below=5)
    states: int = cli.flag(
        3, "hidden states of --model hmm", at_least=2, at_most=64
    )
    horizon_mode: str = cli.flag(
        "direct",
        "direct: the horizon at once; recursive: step by step, forecasts fed"
        " back",
        choices=HORIZON_MODES,
    )
    output: str = cli.flag("quantiles", "what is forecast", choices=OUTPUTS)
    scaling: str = cli.flag(
        "instance", "how each window is scaled", choices=SCALINGS
    )
    residual: bool = cli.flag(
        True, "forecast the difference to the seasonal naive"
    )
    calendar: bool = cli.flag(
        True, "hour, weekday and day of the year as inputs"
    )
    embedding_size: int = cli.flag(
        0,
        "size of an embedding of each series (0: none)",
        at_least=0,
        at_most=1024,
    )
    from_run: str = transfer.FROM_RUN
    dropout: float = cli.flag(
        0.0, "dropout rate", at_least=0.0, below=1.0, group="training"
    )
    learning_rate: float = cli.flag(
        3e-3, "peak learning rate", at_least=0.0, at_most=10.0
    )
    weight_decay: float = cli.flag(
        1e-3, "weight decay of AdamW", at_least=0.0, at_most=10.0, rare=True
    )
    clip_norm: float = cli.flag(
        1.0,
        "clip the global gradient norm (0: off)",
        at_least=0.0,
        at_most=1e6,
        rare=True,
    )
    averaging: float = cli.flag(
        0.99,
        "decay of the moving average of the weights (0: off)",
        at_least=0.0,
        below=1.0,
        rare=True,
    )
    batch_size: int = cli.flag(
        128, "windows per batch", at_least=1, at_most=65_536
    )
    epochs: int = cli.flag(
        0,
        "most epochs (0: by the size of the data)",
        at_least=0,
        at_most=10_000,
    )
    steps_per_epoch: int = cli.flag(
        200,
        "most training steps per epoch (0: all windows)",
        at_least=0,
        at_most=10_000_000,
    )
    train_share: float = faults.TRAIN_SHARE
    profile: bool = faults.PROFILE
    patience: int = cli.flag(
        8,
        "stop after this many epochs, and 20 steps, without a better score"
        " or a lower loss",
        at_least=1,
        at_most=10_000,
    )
    monitor: str = cli.flag(
        "",
        "score of valid that chooses the epoch; empty: mase, or rmse where it"
        " has no meaning",
        choices=["", *METRICS],
        rare=True,
    )
    baseline_series: int = BASELINE_SERIES
    seed: int = cli.flag(0, "random seed", at_least=0, below=2**32)
    jit_compile: bool = cli.flag(
        False, "compile the training step with XLA", rare=True
    )
    mixed_precision: str = runs.MIXED_PRECISION
    name: str = cli.flag(
        "", "name of the run; empty: data set and cell", group="output"
    )
    runs_path: str = cli.flag("runs", "folder of all runs", at_least=1)
    cache_path: str = cli.flag(
        "data/cache",
        "folder for demo data and preprocessed data",
        rare=True,
        at_least=1,
    )
    preset: str = ""

    # Of a run to go on from: what its weights depend on, and what else is
    # its own where no flag says otherwise.
    architecture = (
        "horizon",
        "context",
        "season",
        "model",
        "cell",
        "units",
        "depth",
        "states",
        "horizon_mode",
        "output",
        "scaling",
        "residual",
        "calendar",
        "embedding_size",
    )
    inherited = ()

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from checks.data_flags(self)
        if self.dataset != "files":
            names = "covariates known_covariates series_column time_column"
            yield f"{names} value_column", f"with --dataset {self.dataset}"
        if self.covariates == "none":
            yield "known_covariates", "with --covariates none"
        folder = Path(self.data_path)
        files = (
            splits.scan(folder) if self.data_path and folder.is_dir() else ()
        )
        if self.origins == 1 and not {"valid", "test"}.intersection(files):
            yield "stride", "with --origins 1 and without a test file"
        if self.model != "rnn":
            yield "cell", f"with --model {self.model}"
        if self.model in ("ar", "hmm"):
            names = "units depth dropout calendar embedding_size"
            yield f"{names} known_covariates", f"with --model {self.model}"
        if self.model != "hmm":
            yield "states", f"with --model {self.model}"

    def columns(self) -> dict:
        """Return what the pipeline has to know of the columns of tables."""
        names = [name.strip() for name in self.covariates.split(",")]
        known = self.known_covariates.split(",")
        return {
            "covariates": {"all": None, "none": []}.get(self.covariates, names),
            "known_covariates": [n.strip() for n in known if n.strip()],
            "columns": {
                "series": self.series_column,
                "time": self.time_column,
                "value": self.value_column,
            },
        }

    def check(self) -> None:
        """Refuse what cannot be trained."""
        checks.training(self)
        if self.model in ("ar", "hmm") and self.train_share != 1:
            raise cli.UserError(
                f"--train-share {self.train_share:g}: --model {self.model} is"
                " fitted to all windows at once; take --model rnn or nn_ar"
            )
        if self.model in ("ar", "hmm") and self.from_run:
            raise cli.UserError(
                f"--from-run {self.from_run}: its --model {self.model} is"
                " fitted to a data set at once, and nothing goes on from it"
            )
        if self.model == "hmm" and self.horizon_mode == "recursive":
            raise cli.UserError(
                "--model hmm forecasts all steps from its filtered state:"
                " --horizon-mode recursive is not for it"
            )


# Differences from the defaults, each with its purpose.
PRESETS = {
    # Seconds on a laptop: does everything work?
    "smoke": dict(dataset="demo_small", units=8, epochs=1, steps_per_epoch=10),
    # Does the loss on one batch come near zero? What is noise in 128 windows
    # takes thousands of steps to learn by heart.
    "overfit": faults.OVERFIT
    | dict(
        batch_size=16,
        learning_rate=1e-2,
        epochs=30,
        patience=30,
        weight_decay=0.0,
        averaging=0.0,
    ),
    # A hundredth of the training data.
    "limit": dict(**faults.LIMIT),
}


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(scoring.ScoringOptions):
    """Score a finished run, or several and their mean."""

    app = "forecasting"

    dataset: str = scoring.scored_dataset(SOURCES)
    baseline_series: int = BASELINE_SERIES


@dataclasses.dataclass(frozen=True)
class PredictOptions(runs.EnsembleOptions):
    """Forecast what comes after a table of series."""

    app = "forecasting"

    input: str = cli.flag("", "table of series; empty: that of the run")
    output: str = cli.flag(
        "", "folder to write to; empty: forecasts/ of the run"
    )
    horizon: int = cli.flag(
        0,
        "steps to forecast (0: as trained)",
        at_least=0,
        at_most=100_000,
    )
    encoding: str = runs.ENCODING
    paths: int = cli.flag(
        100,
        "paths drawn with --horizon-mode recursive",
        at_least=1,
        at_most=10_000,
    )
    charts: int = cli.flag(
        12, "most series that are drawn", at_least=0, at_most=10_000
    )

    def check(self) -> None:
        """Refuse what cannot be read or written."""
        super().check()
        checks.input_file(self.input)
        if self.output:
            checks.folder("output", self.output)


@dataclasses.dataclass(frozen=True)
class ExportOptions(formats.Options):
    """Write a finished run for others: SavedModel, ONNX, LiteRT."""

    app = "forecasting"
