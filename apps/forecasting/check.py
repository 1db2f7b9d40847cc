"""What `make check-forecasting` shows of the data."""

import numpy as np

from apps.common import duplicates, report
from apps.common.data_page import Description, Example, share, splits_of
from apps.common.samples import spread
from data_pipelines import forecasting as pipeline

from .baselines import baselines
from .config import Config
from .scores import Truth

EXAMPLES = 6

# Values of a series that are drawn: the last ones.
DRAWN = 1000


def describe(data: pipeline.Datasets, config: Config) -> Description:
    """Return what there is to say of series and their windows."""
    scored = {"valid": data.valid, "test": data.test}
    store = data.store
    series = data.test.planner.series
    missing = np.array([np.isnan(store.values[s]).mean() for s in series])
    lengths = store.values.lengths[series]
    counts = {
        name: {
            "windows": len(split),
            "series": len(np.unique(split.planner.series)),
        }
        for name, split in splits_of(data).items()
    }
    for name, split in scored.items():
        part = float(np.isnan(split.targets).mean()) if len(split) else 0.0
        counts[name]["targets missing"] = share(part)
    return Description(
        counts=counts,
        measured={
            "values of a series": {"all": lengths},
            "share of missing values of a series": {"all": missing},
        },
        overlaps=[
            duplicates.of_windows(
                split.targets,
                [
                    (store.names[s], split.before(s))
                    for s in split.planner.series
                ],
                name,
            )
            for name, split in scored.items()
            if len(split)
        ],
        left_out=data.left_out,
        examples=[
            Example(
                store.names[s],
                [
                    f"{lengths[row]:,} values, every {store.frequency.name},"
                    f" {missing[row]:.1%} missing"
                ],
                _drawn(data, s),
                wide=True,
            )
            for row, s in enumerate(series)
            if row in spread(len(series), EXAMPLES)
        ],
        baselines=baselines(
            data.valid,
            data.season,
            Truth.of_split(data.valid, data.season),
            0,
        ),
    )


def _drawn(data, number):
    """Draw the end of a series, valid and test shaded; return PNG bytes."""
    values = data.store.values[number]
    first = max(len(values) - DRAWN, 0)
    drawn = report.figure(7, 1.8)
    axes = drawn.subplots()
    axes.plot(np.arange(first, len(values)), values[first:], lw=0.8)
    edges = [data.valid.begins[number], data.test.begins[number], len(values)]
    for begin, end, name in zip(
        edges, edges[1:], ("valid", "test"), strict=False
    ):
        axes.axvspan(
            begin, end, alpha=0.15 if name == "valid" else 0.3, label=name, lw=0
        )
    axes.legend(frameon=False, fontsize=7)
    return report.png(drawn)
