"""From windows to quantiles of a horizon, at once or step by step.

Letters of shapes: B batch, C context, H horizon, P numbers of a step, Q levels,
V covariates.
"""

import dataclasses
import functools

import keras
import numpy as np
from keras import ops

from apps.common import graph
from data_pipelines.forecasting import Split

from . import distributions
from .config import Config

# Paths that recursive forecasts are made of.
PATHS = 100


@dataclasses.dataclass(frozen=True, eq=False)
class Forecaster:
    """Forecasts windows by a model that was trained.

    Attributes:
        model: The `keras.Model` of `model.Models.forecaster`.
        output: One of `distributions.OUTPUTS`.
        recursive: Whether the model forecasts one step.
        horizon: H; of a direct model at most as many as it was trained for.
        seconds: From one step to the next.
        paths: Draws of the future of a recursive model, which are fed back; 0:
            its point forecast is, which leaves its intervals those of one step.
        seed: Of the draws.
    """

    model: keras.Model
    output: str
    recursive: bool
    horizon: int
    seconds: int
    paths: int
    seed: int

    @classmethod
    def of_config(
        cls,
        model: keras.Model,
        config: Config,
        seconds: int,
        paths: int = PATHS,
        horizon: int = 0,
    ) -> "Forecaster":
        """Return that of a model of a configuration."""
        return cls(
            model,
            config.output,
            config.horizon_mode == "recursive",
            horizon or config.horizon,
            seconds,
            0 if config.output == "point" else paths,
            config.seed,
        )

    def of_horizon(self, horizon: int) -> "Forecaster":
        """Return one of another horizon, without paths."""
        return dataclasses.replace(self, horizon=horizon, paths=0)

    def of_split(self, split: Split) -> np.ndarray:
        """Return the quantiles `(N, H, Q)` of the windows of a split."""
        batches = (split.fetch(b, 0)[0] for b in split.planner.once())
        return np.concatenate(
            [
                ops.convert_to_numpy(
                    self._compiled({name: x[name] for name in self.model.input})
                )
                for x in batches
            ]
        )

    @functools.cached_property
    def _compiled(self):
        return graph.compile_once(self)

    @property
    def context(self) -> int:
        """C."""
        return self.model.input["series"].shape[1]

    def __call__(self, inputs: dict):
        """Return the quantiles `(B, H, Q)` of the inputs of windows.

        They have the covariates of all H steps, and the time of the first.
        """
        if not self.recursive:
            values = self._numbers(inputs)
            return distributions.quantiles(self.output, values)[
                :, : self.horizon
            ]
        return self._fed_back(inputs)

    def _numbers(self, inputs):
        return self.model(inputs, training=False)[:, :, :-1]

    def _step(self, window, inputs, number):
        """Return the numbers `(B, P)` of the step behind a window."""
        step = {"series": window}
        for name in self.model.input:
            if name == "id":
                step["id"] = inputs["id"]
            if name == "time":
                later = ops.cast(number, "int64") * self.seconds
                step["time"] = ops.cast(inputs["time"], "int64") + later
            if name == "covariates":
                places = number + np.arange(self.context + 1)
                step[name] = ops.take(inputs[name], places, axis=1)
        return self._numbers(step)[:, 0]

    def _fed_back(self, inputs):
        paths = max(self.paths, 1)
        inputs = {
            name: ops.repeat(x, paths, axis=0) for name, x in inputs.items()
        }
        window = ops.cast(inputs["series"], "float32")
        rows = ops.shape(window)[0]
        # Row n of the batch follows path n of those of its series.
        noise = distributions.noise(self.output, paths, self.horizon, self.seed)
        noise = ops.tile(ops.convert_to_tensor(noise), (rows // paths, 1))
        width = 1 if self.paths else len(distributions.LEVELS)
        steps = ops.zeros((rows, self.horizon, width))

        def body(number, loop):
            window, steps = loop
            values = self._step(window, inputs, number)
            levels = distributions.quantiles(self.output, values[:, None])[:, 0]
            if self.paths:
                chance = ops.take(noise, number, axis=1)
                chosen = distributions.draw(self.output, values, chance)
                levels = chosen[:, None]
            else:
                chosen = levels[:, distributions.MEDIAN]
            window = ops.concatenate([window[:, 1:], chosen[:, None]], axis=1)
            steps = ops.concatenate([steps[:, 1:], levels[:, None]], axis=1)
            return window, steps

        _, steps = ops.fori_loop(0, self.horizon, body, (window, steps))
        if not self.paths:
            return steps
        steps = ops.reshape(steps[:, :, 0], (-1, paths, self.horizon))
        return distributions.of_paths(ops.transpose(steps, (0, 2, 1)))
