"""What every model has to beat, fitted to each series alone.

Intervals are normal. The last three take long: they are fitted
to the last `MOST_VALUES` values before a window, for so many windows, evenly
spread, as the user allows; their scores are those of these windows.

Letters of shapes: T values, H horizon, Q levels, N windows.
"""

import functools
import warnings
from collections.abc import Iterator

import numpy as np
from scipy import stats
from threadpoolctl import threadpool_limits

from apps.common import samples
from data_pipelines.files.progress import progress_bar
from data_pipelines.forecasting import Split
from data_pipelines.forecasting.datasets import LEVELS

from . import scores
from .scores import Truth, interpolated

BASELINES = {
    "naive": "the last value",
    "seasonal_naive": "the value a season before",
    "drift": "a line through the first and the last value",
    "ar": "an autoregression, least squares",
    "theta": "the theta method (Assimakopoulos and Nikolopoulos, 2000)",
    "ets": "exponential smoothing with a damped trend and a season",
    "arima": "ARIMA(1, 1, 1) of what is seasonally adjusted",
    "attainable": "of the demo: what is known of how it was generated",
}

MOST_VALUES = 500

# Windows of the simple ones at most.
MOST_WINDOWS = 2000

# Of an autoregression, at most.
_MOST_LAGS = 60


def baselines(
    split: Split, season: int, truth: Truth, most: int
) -> dict[str, dict]:
    """Return the scores of all baselines on a split, by their names.

    Args:
        split: The windows.
        season: Steps of a season.
        truth: Of the split.
        most: Windows that theta, ets and arima are fitted for.
    """
    table = {}
    for fits, windows in ((SIMPLE, MOST_WINDOWS), (FITTED, most)):
        rows = samples.spread(len(split), min(windows, len(split)))
        if not windows:
            continue
        chosen = truth.chosen(rows)
        pasts = list(_pasts(split, rows))
        work = [(name, past) for name in fits for past in pasts]
        forecasts = {name: [] for name in fits}
        # Of small fits threads of BLAS wait for one another most of the time.
        with threadpool_limits(1, "blas"):
            for name, past in progress_bar("fitting baselines", "fits", work):
                forecasts[name].append(fits[name](past, season, split.horizon))
        for name, quantiles in forecasts.items():
            table[name] = scores.score(chosen, np.stack(quantiles))
            if len(rows) < len(split):
                table[name]["windows"] = len(rows)
    return table


def _pasts(split: Split, rows: list[int]) -> Iterator[np.ndarray]:
    """Yield the values before windows, without gaps, `(T,)`."""
    series, origins = split.windows
    for row in rows:
        past = split.store.values[series[row]][: origins[row]]
        yield interpolated(past[-MOST_VALUES:].astype("float64"))


def _normal(mean, deviation):
    """Return quantiles `(H, Q)` of means and deviations `(H,)`."""
    return mean[:, None] + deviation[:, None] * stats.norm.ppf(LEVELS)


def naive(past: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """Repeat the last value."""
    return seasonal_naive(past, 1, horizon)


def seasonal_naive(past: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """Repeat the last season."""
    season = min(season, len(past))
    steps = np.arange(horizon)
    mean = past[len(past) - season + steps % season]
    changes = past[season:] - past[:-season]
    spread = np.sqrt(np.mean(changes**2)) if len(changes) else 0.0
    return _normal(mean, spread * np.sqrt(steps // season + 1))


def drift(past: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """Go on with the line from the first to the last value."""
    steps, length = np.arange(1, horizon + 1), max(len(past) - 1, 1)
    slope = (past[-1] - past[0]) / length
    spread = np.std(np.diff(past) - slope) if length > 1 else 0.0
    growth = np.sqrt(steps * (1 + steps / length))
    return _normal(past[-1] + slope * steps, spread * growth)


def fitted(model, past: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """Return what a model of statsmodels forecasts; the naive if it cannot."""
    if np.ptp(past) == 0 or len(past) < max(2 * season + 2, 10):
        return naive(past, season, horizon)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            mean, deviation = model(past, season, horizon)
        except (ValueError, np.linalg.LinAlgError):
            return seasonal_naive(past, season, horizon)
    mean, deviation = np.asarray(mean), np.nan_to_num(np.asarray(deviation))
    if not np.isfinite(mean).all():
        return seasonal_naive(past, season, horizon)
    return _normal(mean, deviation)


def _ar(past, season, horizon):
    from statsmodels.tsa.ar_model import AutoReg

    lags = min(max(2 * season, 12), _MOST_LAGS, len(past) // 3)
    model = AutoReg(past, lags).fit()
    ahead = model.get_prediction(len(past), len(past) + horizon - 1)
    return ahead.predicted_mean, ahead.se_mean


def _theta(past, season, horizon):
    from statsmodels.tsa.forecasting.theta import ThetaModel

    seasonal = season > 1 and scores.is_seasonal(past, season)
    model = ThetaModel(
        past,
        period=season if seasonal else None,
        deseasonalize=seasonal,
        use_test=False,
        method="multiplicative" if past.min() > 0 else "additive",
    )
    fitted = model.fit()
    spread = np.std(np.diff(past))
    if seasonal:
        adjust = scores.Seasons(past, season)
        spread = np.std(np.diff(adjust.remove(past, np.arange(len(past)))))
    growth = np.sqrt(1 + np.arange(horizon) * fitted.params["alpha"] ** 2)
    return fitted.forecast(horizon), spread * growth


def _ets(past, season, horizon):
    import pandas as pd
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    seasonal = season > 1 and scores.is_seasonal(past, season)
    model = ETSModel(
        pd.Series(past),
        trend="add",
        damped_trend=True,
        seasonal="add" if seasonal else None,
        seasonal_periods=season if seasonal else None,
        initialization_method="heuristic" if len(past) > 20 else "estimated",
    )
    fitted = model.fit(disp=False, maxiter=100)
    ahead = fitted.get_prediction(len(past), len(past) + horizon - 1)
    bounds = ahead.pred_int(alpha=0.05)
    width = np.asarray(bounds)[:, 1] - np.asarray(bounds)[:, 0]
    return ahead.predicted_mean, width / (2 * stats.norm.ppf(0.975))


def _arima(past, season, horizon):
    from statsmodels.tsa.arima.model import ARIMA

    adjust = scores.Seasons(past, season)
    adjusted = adjust.remove(past, np.arange(len(past)))
    ahead = ARIMA(adjusted, order=(1, 1, 1)).fit().get_forecast(horizon)
    steps = len(past) + np.arange(horizon)
    mean = adjust.add(ahead.predicted_mean, steps)
    above = adjust.add(ahead.predicted_mean + ahead.se_mean, steps)
    return mean, above - mean


# Those of which a fit takes milliseconds, and the others.
SIMPLE = {
    "naive": naive,
    "seasonal_naive": seasonal_naive,
    "drift": drift,
    "ar": functools.partial(fitted, _ar),
}
FITTED = {
    name: functools.partial(fitted, model)
    for name, model in (("theta", _theta), ("ets", _ets), ("arima", _arima))
}
