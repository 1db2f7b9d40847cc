"""Pictures of forecasts: fans, errors by step, autocorrelation.

Letters of shapes: N windows, H horizon, Q levels.
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np

from apps.common import report
from data_pipelines.forecasting import Split

from .distributions import MEDIAN
from .scores import INTERVALS, autocorrelation

# Ends names of forecasts that always know the last true value.
ONE_STEP = ", one step"

# Of the values before a forecast, as many horizons are drawn.
_PAST = 3


def fans(
    split: Split,
    quantiles: np.ndarray,
    rows: Sequence[int],
    kind: str = "png",
    columns: int = 3,
) -> bytes:
    """Draw the forecasts of some windows, PNG or SVG.

    Args:
        split: The windows.
        quantiles: `(N, H, Q)` of all of them.
        rows: Which windows are drawn.
        kind: "png" or "svg".
        columns: How many stand side by side.
    """
    columns = min(len(rows), columns)
    lines = -(-len(rows) // columns)
    drawn = report.figure(4.2 * columns, 2.2 * lines)
    panels = np.atleast_1d(drawn.subplots(lines, columns)).ravel()
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    for axes, row in zip(panels, rows, strict=False):
        _draw(axes, split, quantiles, row)
    panels[0].legend(frameon=False, fontsize=7)
    return _svg(drawn) if kind == "svg" else report.png(drawn)


def fan(split: Split, quantiles: np.ndarray, row: int):
    """Draw the forecast of one window, a figure of matplotlib."""
    drawn = report.figure(4.2, 2.4)
    _draw(drawn.subplots(), split, quantiles, row)
    return drawn


def _draw(axes, split, quantiles, row):
    series, origins = split.windows
    number, origin, ahead = series[row], int(origins[row]), quantiles[row]
    past = split.store.values[number][:origin][-_PAST * len(ahead) :]
    line = report.LINES[0]
    axes.plot(np.arange(-len(past), 0), past, color="black", alpha=0.6, lw=0.8)
    steps = np.arange(len(ahead))
    for name, (low, high) in reversed(INTERVALS.items()):
        axes.fill_between(
            steps,
            ahead[:, low],
            ahead[:, high],
            color=line,
            alpha=0.2,
            lw=0,
            label=name.replace("coverage_", "") + " %",
        )
    axes.plot(steps, ahead[:, MEDIAN], color=line, label="median")
    targets = split.targets[row]
    if not np.isnan(targets).all():
        target_steps = np.arange(len(targets))
        axes.plot(target_steps, targets, "k.", ms=2.5, label="observed")
    title = split.store.names[number]
    axes.set_title(report.literal([title])[0][:40])


def by_step(rows: Mapping[str, Mapping], metric: str):
    """Draw a score by steps ahead, a line for each name.

    Of one-step forecasts, whose names end in `ONE_STEP`, the line is dashed, in
    the colour of the forecasts of the same model.
    """
    drawn = report.figure(4.2, 2.8)
    axes, colors = drawn.subplots(), {}
    for name in sorted(rows, key=lambda name: name.endswith(ONE_STEP)):
        model, values = name.removesuffix(ONE_STEP), rows[name][metric]
        color = colors.setdefault(model, f"C{len(colors)}")
        style = "-" if model == name else "--"
        steps = np.arange(1, len(values) + 1)
        axes.plot(steps, values, style, color=color, label=name)
    axes.set_xlabel("steps ahead")
    axes.set_ylabel(metric)
    drawn.legend(frameon=False, loc="outside upper left", ncols=2)
    return drawn


def residuals(split: Split, quantiles: np.ndarray, lags: int):
    """Draw the autocorrelation of the errors in the horizon of windows."""
    errors = split.targets - quantiles[:, :, MEDIAN]
    lags = min(lags, errors.shape[1] - 1)
    drawn = report.figure(4.2, 2.6)
    axes = drawn.subplots()
    if lags:
        known = [row for row in errors if (~np.isnan(row)).sum() > 1]
        r = np.mean([autocorrelation(row, lags) for row in known], axis=0)
        axes.bar(np.arange(1, lags + 1), r, width=0.5)
    axes.axhline(0, color="black", alpha=0.6, lw=0.8)
    axes.set_xlabel("lag")
    axes.set_ylabel("autocorrelation of errors")
    return drawn


def _svg(drawn):
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="svg")
    return buffer.getvalue()
