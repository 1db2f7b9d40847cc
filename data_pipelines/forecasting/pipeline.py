"""Time series -> batches of windows for forecasting.

Record    a series: values at equal distances of time, some of which may be
          missing, and covariates, more numbers at the same times
Files     --data-path FOLDER with train.csv and, if you have them, valid.csv and
          test.csv, which go on where the one before ends; or one such file;
          .tsv, .jsonl and .parquet as well, gzipped or not. Long, wide, or a
          row a series: see `series_files.py`. A missing split is cut from
          train by time: the last values are test, those before them valid.
Batch     (inputs, targets): `series` float32 `(B, C)`, NaN where missing;
          `time` int64 `(B,)`, seconds from 1970 on of the first target, or its
          number; `id` int32 `(B,)` of the series; `covariates` float32
          `(B, C + H, V)`; targets float32 `(B, H)`

    data = make_datasets("files", "my-series", cache_path="data/cache",
                         context=48, horizon=24, batch_size=64, seed=0)
    data.train.dataset(training=True, start_step=0)  # endless; fit needs
    data.train.steps_per_pass                        # steps_per_epoch
    data.test.targets                                # (N, H)
    data.season, data.store.frequency.name
"""

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_pipelines.files import cache, splits
from data_pipelines.files.errors import DataError
from data_pipelines.files.ragged import RaggedArray, RaggedWriter
from data_pipelines.files.sources import Request
from data_pipelines.files.tables import SUFFIXES
from data_pipelines.forecasting import frequency, series_files
from data_pipelines.forecasting.datasets import (
    Datasets,
    Split,
    Store,
    Windows,
    listed,
)
from data_pipelines.forecasting.demo import generator as demo
from data_pipelines.forecasting.frequency import Frequency

# Raise it with any change of what a cache holds.
FORMAT = 1

# Steps for each value at most: beyond, the frequency is not what it seems.
_MOST_GAPS = 50


def make_datasets(
    dataset: str,
    data_path: str | Path | None = None,
    *,
    cache_path: str | Path,
    horizon: int,
    batch_size: int,
    seed: int,
    context: int = 0,
    season: int = 0,
    origins: int = 1,
    stride: int = 0,
    most_steps: int = 0,
    teacher: bool = False,
    covariates: Sequence[str] | None = None,
    known_covariates: Sequence[str] = (),
    columns: dict[str, str] | None = None,
    encoding: str = "",
    names: Sequence[str] | None = None,
) -> Datasets:
    """Read series; the second time from a cache.

    Args:
        dataset: A name from `SOURCES`.
        data_path: For `files` the folder, or one file.
        cache_path: Folder of the caches. It may be deleted at any time.
        horizon: H, the steps to forecast.
        batch_size: Windows in a batch.
        seed: Of the order of training.
        context: C, the steps before; 0: `usual_context`.
        season: Steps of a season; 0: as usual for the frequency.
        origins: Windows of each series in each split that is cut from train.
        stride: Steps from one origin of valid and test to the next; 0: H.
        most_steps: Batches of a training pass at most; 0: any number.
        teacher: Whether inputs have the targets but the last, as `future`.
        covariates: Names of the columns to read; `None`: all of numbers.
        known_covariates: Those of them that are known in the future.
        columns: "series", "time", "value" -> what they are called.
        encoding: Of the files; empty: UTF-8, or as their marks say.
        names: Of the series of an old run, in its order.

    Raises:
        DataError: If the data are not as described; the message says where.
    """
    request = Request(
        data_path, Path(cache_path), False, True, encoding, columns or {}
    )
    paths, best = SOURCES[dataset](request)
    store, lengths = _store(request, paths, covariates)
    season = season or store.frequency.season
    context = context or usual_context(season, horizon)
    if context < season:
        raise DataError(
            f"--context {context} is shorter than the season of {season}; "
            "expected at least one season, or another --season"
        )
    stride = stride or horizon
    unknown = set(known_covariates) - set(store.covariate_names)
    if unknown:
        raise DataError(
            f"--known-covariates {sorted(unknown)[0]}: no such column; those "
            f"of numbers are {', '.join(store.covariate_names) or 'none'}"
        )
    known = np.isin(store.covariate_names, list(known_covariates)).astype(bool)
    bounds, left_out = _bounds(
        store, lengths, context, horizon, horizon + (origins - 1) * stride
    )
    series = np.array(
        [s for s, n in enumerate(store.names) if n not in left_out]
    )
    numbers = {name: i for i, name in enumerate(names or store.names, 1)}
    ids = np.array([numbers.get(name, 0) for name in store.names], np.int32)
    begins, ends = bounds[:, :-1], bounds[:, 1:]
    parts = {}
    for index, name in enumerate(splits.SPLITS):
        first = begins[series, index] + (context if name == "train" else 0)
        step = 1 if name == "train" else stride
        # What ends within the horizon is a window, too, if it is the first.
        room = ends[series, index] - first
        counts = np.maximum((room - horizon) // step + 1, np.minimum(room, 1))
        planner = Windows(series, first, counts, step, batch_size, most_steps)
        if not len(planner):
            raise DataError(
                f"{paths.get(name, paths['train'])}: {name} has no value of a "
                "series that can be trained on; expected the same names of "
                "series in all files"
            )
        parts[name] = Split(
            store,
            planner,
            begins[:, index],
            context,
            horizon,
            seed,
            ids,
            known,
            teacher,
        )
    # It was made for one window a series.
    if best and (horizon, origins) == (demo.HORIZON, 1):
        attainable = np.load(best)[series]
    else:
        attainable = None
    return Datasets(
        **parts,
        store=store,
        season=season,
        left_out=left_out,
        constant=_constant(parts["test"], season),
        attainable=attainable,
    )


def latest(
    dataset: str,
    data_path: str | Path | None,
    *,
    cache_path: str | Path,
    context: int,
    horizon: int,
    batch_size: int,
    names: Sequence[str],
    covariates: Sequence[str],
    known_covariates: Sequence[str] = (),
    columns: dict[str, str] | None = None,
    encoding: str = "",
) -> Split:
    """Return the window behind the last value of each series of any length.

    Args:
        dataset: A name from `SOURCES`.
        data_path: For `files` the folder, or one file.
        cache_path: See `make_datasets`, as for all others.
        context: C; what is missing of it before a series is NaN.
        horizon: H.
        batch_size: Windows in a batch.
        names: Of the series that a model knows.
        covariates: Names of the columns that a model takes.
        known_covariates: Those of them that are known in the future.
        columns: "series", "time", "value" -> what they are called.
        encoding: Of the files.
    """
    request = Request(
        data_path, Path(cache_path), False, True, encoding, columns or {}
    )
    paths, _ = SOURCES[dataset](request)
    store, _ = _store(request, paths, covariates)
    first = np.zeros(len(store.names), np.int64)
    for number in range(len(store.names)):
        present = np.flatnonzero(~np.isnan(store.values[number]))
        first[number] = present[-1] + 1 if len(present) else 0
    series = np.flatnonzero(first)
    if not len(series):
        raise DataError(f"{next(iter(paths.values()))}: has no value")
    empty = [store.names[s] for s in np.flatnonzero(first == 0)]
    if empty:
        note = f"left out, without a value: {listed(empty)}"
        store = dataclasses.replace(store, notes=[*store.notes, note])
    numbers = {name: i for i, name in enumerate(names, 1)}
    return Split(
        store,
        Windows(series, first[series], np.ones_like(series), 1, batch_size),
        first,
        context,
        horizon,
        0,
        np.array([numbers.get(name, 0) for name in store.names], np.int32),
        np.isin(list(covariates), list(known_covariates)).astype(bool),
    )


def usual_context(season: int, horizon: int) -> int:
    """Return three seasons, or two horizons, at least 16 steps."""
    return max(3 * season * (season > 1), 2 * horizon, 16)


def _constant(split, season):
    """Return the series whose seasonal differences are all zero."""
    names = []
    for series in split.planner.series:
        before = split.before(series)
        differences = np.abs(before[season:] - before[:-season])
        if not np.nansum(differences):
            names.append(split.store.names[series])
    return names


def _bounds(store, lengths, context, horizon, region):
    """Return where the splits of each series begin and end, `(S, 4)`.

    Return why series are left out, too.
    """
    bounds, left_out = np.zeros((len(store.names), 4), np.int64), {}
    files = lengths.sum(axis=0) > 0
    cut = [s for s, own in zip(splits.SPLITS, files, strict=True) if not own]
    for number, name in enumerate(store.names):
        first, *others = lengths[number].tolist()
        least = context + horizon
        if not first:
            left_out[name] = "no value in train"
            continue
        if first - region * len(cut) < least:
            left_out[name] = (
                f"shorter than context and horizon ({least:,} steps of train)"
            )
            continue
        shares = dict.fromkeys(cut, region / first)
        shares = {"train": 1 - sum(shares.values()), **shares}
        rows = splits.by_time(first, shares, name, "values")
        sizes = [len(rows[s]) if s in rows else None for s in splits.SPLITS]
        own = [
            o if size is None else size
            for size, o in zip(sizes, [first, *others], strict=True)
        ]
        bounds[number, 1:] = np.cumsum(own)
    if len(left_out) == len(store.names):
        name, why = next(iter(left_out.items()))
        raise DataError(
            f"no series can be used; {name!r}, for one: {why}; try a smaller "
            "--context or --horizon"
        )
    return bounds, left_out


def _store(request, paths, covariates):
    """Return the series of files and how many values each has in each split."""
    fingerprint = [cache.file_fingerprint(path) for path in paths.values()]
    chosen = None if covariates is None else list(covariates)
    key = cache.key(
        "forecasting",
        FORMAT,
        fingerprint,
        request.encoding,
        dict(request.columns),
        chosen,
    )
    folder = cache.folder(
        request.cache_path / key,
        lambda folder: _build(folder, paths, request, chosen),
    )
    about = json.loads((folder / "about.json").read_text("utf-8"))
    store = Store(
        about["names"],
        RaggedArray.load(folder / "values"),
        RaggedArray.load(folder / "covariates"),
        np.array(about["starts"], np.int64),
        Frequency(**about["frequency"]),
        about["covariates"],
        about["notes"],
    )
    return store, np.array(about["lengths"], np.int64).reshape(-1, 3)


def _build(folder, paths, request, covariates):
    """Read all files and write their series."""
    files = {}
    for split, path in paths.items():
        columns = covariates
        if files and covariates is None and files["train"].form == "long":
            columns = files["train"].covariates
        files[split] = series_files.read(
            path, dict(request.columns), columns, request.encoding
        )
    train = files["train"]
    for file in files.values():
        _check_alike(train, file)
    names = list(dict.fromkeys(n for f in files.values() for n in f.series))
    spans = [
        own.times
        for file in files.values()
        for own in file.series.values()
        if file.form != "rows"
    ]
    if spans and any(map(len, spans)):
        rate = frequency.infer(train.are_dates, spans)
    else:
        rate = Frequency("step", 1, 0)
    starts, lengths = [], []
    with (
        RaggedWriter(folder / "values", np.float32) as values_writer,
        RaggedWriter(folder / "covariates", np.float32) as covariates_writer,
    ):
        for name in names:
            start, counts, values, more = _joined(name, files, rate)
            starts.append(start)
            lengths.append(counts)
            values_writer.append(values, [len(values)])
            covariates_writer.append(more.ravel(), [more.size])
    about = {
        "names": names,
        "starts": starts,
        "lengths": lengths,
        "frequency": dataclasses.asdict(rate),
        "covariates": list(train.covariates),
        "notes": [note for file in files.values() for note in file.notes],
    }
    (folder / "about.json").write_text(json.dumps(about), "utf-8")


def _check_alike(train, file):
    """Refuse a file that is not like train."""
    if file.form != train.form:
        raise DataError(
            f"{file.path}: is {file.form}, and {train.path} {train.form}; "
            "expected one form"
        )
    if file.are_dates != train.are_dates:
        kinds = ("whole numbers", "dates")
        raise DataError(
            f"{file.path}: its times are {kinds[file.are_dates]}, those of "
            f"{train.path} {kinds[train.are_dates]}; expected one kind"
        )


def _joined(name, files, rate):
    """Return the first index, lengths in the splits, values and covariates.

    The parts of all files stand one after another, steps that no row has are
    NaN, and what is missing before the first value is left out.
    """
    width = len(files["train"].covariates)
    places, values, more, counts, end = [], [], [], [0, 0, 0], 0
    start = None
    for split, file in files.items():
        own = file.series.get(name)
        if own is None or not len(own.values):
            continue
        index = _index(own, file, rate, 0 if start is None else end)
        if split == "train":
            known = np.flatnonzero(~np.isnan(own.values))
            if not len(known):
                continue
            keep = slice(known[0], None)
        else:
            keep = slice(None)
        index = index[keep]
        if start is None:
            start = end = int(index[0])
        if index[0] < end:
            raise DataError(
                f"{file.path}:{own.lines[keep][0]}: {name!r} at "
                f"{rate.text(index[0])} is not behind the values of the file "
                "before; expected those that come next"
            )
        counts[splits.SPLITS.index(split)] = int(index[-1]) + 1 - end
        end = int(index[-1]) + 1
        places.append(index)
        values.append(own.values[keep])
        more.append(own.covariates[keep])
    if start is None:
        return 0, counts, np.zeros(0), np.zeros((0, width))
    places = np.concatenate(places) - start
    if end - start > _MOST_GAPS * (len(places) + 20):
        raise DataError(
            f"{files['train'].path}: {name!r} has {len(places):,} values in "
            f"{end - start:,} steps of {rate.name}, the most common difference "
            "of times; expected times at one distance"
        )
    dense = np.full((end - start, 1 + width), np.nan)
    dense[places, 0] = np.concatenate(values)
    dense[places, 1:] = np.concatenate(more)
    return start, counts, dense[:, 0], dense[:, 1:]


def _index(own, file, rate, end):
    """Return the indices of the times of a series, or refuse one between."""
    if file.form == "rows":
        return own.times + end
    index = rate.index(own.times)
    off = np.flatnonzero(index != np.round(index))
    if len(off):
        raise DataError(
            f"{file.path}:{own.lines[off[0]]}: a time that is not at a "
            f"distance of whole steps of {rate.name}, the most common "
            "difference of times, from the others"
        )
    return index.astype(np.int64)


def _files(request: Request) -> tuple[dict[str, Path], None]:
    """Find a folder of the user's, or one file."""
    return splits.find(request.data_path, SUFFIXES), None


def _demo(
    request: Request, small: bool = False
) -> tuple[dict[str, Path], Path]:
    """Write series of our own, whose best forecasts are known."""
    folder = Path(request.demo("forecasting", demo, small).data_path)
    return {"train": folder / "train.csv"}, folder / "attainable.npy"


SOURCES = {
    "demo": _demo,
    "demo_small": functools.partial(_demo, small=True),
    "files": _files,
}
