"""The page about data: `data.html`.

An app says what is its own in `check.py`, by a function `describe`, which takes
the datasets and the configuration to a `Description`.
"""

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from apps.common import report
from apps.common.duplicates import MOST, Overlap
from data_pipelines.files.splits import SPLITS

# Classes that have a row, and files that are named.
_MOST_CLASSES, _MOST_FILES = 50, 50

# Bars of a histogram; the last one has all that is above.
_BARS, _MOST_SHARE = 40, 99.5


class Example(typing.NamedTuple):
    """An example to show.

    Attributes:
        title: Its split, its label or name.
        lines: Its texts.
        picture: The bytes of a picture, if it has one.
        kind: "png" or "jpeg".
        wide: Whether the picture is as wide as the page.
    """

    title: str
    lines: Sequence[str] = ()
    picture: bytes | None = None
    kind: str = "png"
    wide: bool = False


@dataclasses.dataclass(frozen=True)
class Description:
    """What an app says of its data.

    Attributes:
        counts: Split -> what is counted -> a number, or words.
        measured: What is measured -> split -> the numbers of all examples.
        classes: Split -> class -> how many; empty: there are no classes.
        overlaps: What splits have in common.
        repeated: How many examples of train are there once more.
        left_out: File -> why it is in no split.
        examples: Some of them.
        baselines: Name -> scores of what is trivial.
        scored_on: What they are scored on.
    """

    counts: Mapping[str, Mapping[str, int | str]]
    measured: Mapping[str, Mapping[str, np.ndarray]]
    classes: Mapping[str, Mapping[str, int]] = dataclasses.field(
        default_factory=dict
    )
    overlaps: Sequence[Overlap] = ()
    repeated: int = 0
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
    examples: Sequence[Example] = ()
    baselines: Mapping[str, Mapping[str, float | None]] = dataclasses.field(
        default_factory=dict
    )
    scored_on: str = "valid"

    def leaks(self) -> Iterator[str]:
        """Yield what splits have in common, in lines."""
        for overlap in self.overlaps:
            if overlap.exact or overlap.near:
                yield (
                    f"{overlap.exact:,} of {overlap.size:,} examples of"
                    f" {overlap.split} are in {overlap.other}"
                    f" ({overlap.exact / overlap.size:.1%}), {overlap.near:,}"
                    " more nearly so"
                )
        if self.repeated:
            yield f"{self.repeated:,} examples of train repeat another one"


def splits_of(data) -> dict[str, typing.Any]:
    """Return the splits of datasets by their names."""
    return {name: getattr(data, name) for name in SPLITS}


def share(part: float) -> str:
    """Return a share as people read it."""
    return f"{part:.2%}"


def of_any(data) -> Description:
    """Return what all data have."""
    splits = splits_of(data)
    return Description(
        {name: {"examples": count} for name, count in data.examples.items()},
        {
            "lengths": {
                name: split.lengths
                for name, split in splits.items()
                if len(split) and hasattr(split, "lengths")
            }
        },
    )


def write(
    path: Path,
    title: str,
    described: Description,
    notes: Sequence[str],
    costs: Mapping[str, str],
) -> None:
    """Write the page.

    Args:
        path: The file.
        title: Of the page.
        described: What the app says.
        notes: What was repaired or left out in reading, in lines.
        costs: What a run would need, by what it is.
    """
    left_out = list(described.left_out.items())
    report.render(
        path,
        "common/templates/data.html.jinja",
        title=title,
        described=described,
        columns=list(
            dict.fromkeys(n for row in described.counts.values() for n in row)
        ),
        class_rows=_class_rows(described.classes),
        more_classes=max(len(_classes(described.classes)) - _MOST_CLASSES, 0),
        left_out=left_out[:_MOST_FILES],
        more_left_out=max(len(left_out) - _MOST_FILES, 0),
        most=MOST,
        scores=list(
            dict.fromkeys(n for s in described.baselines.values() for n in s)
        ),
        notes=notes,
        costs=costs,
        histograms=[
            report.svg(histogram(name, numbers), f"histogram of {name}")
            for name, numbers in described.measured.items()
            if any(map(len, numbers.values()))
        ],
    )


def _classes(classes):
    """Return all classes, the most frequent in train first."""
    names = dict.fromkeys(name for own in classes.values() for name in own)
    train = classes.get("train", {})
    return sorted(names, key=lambda name: -train.get(name, 0))


def _class_rows(classes):
    totals = {
        split: max(sum(own.values()), 1) for split, own in classes.items()
    }
    return [
        (
            name,
            [
                f"{own.get(name, 0):,} ({own.get(name, 0) / totals[split]:.1%})"
                for split, own in classes.items()
            ],
            not classes.get("train", {}).get(name),
        )
        for name in _classes(classes)[:_MOST_CLASSES]
    ]


def histogram(title: str, numbers: Mapping[str, np.ndarray]):
    """Draw how numbers of splits are distributed, a figure of matplotlib."""
    from matplotlib.ticker import MaxNLocator

    every = np.concatenate([np.asarray(n) for n in numbers.values()])
    low, most = every.min(), np.percentile(every, _MOST_SHARE)
    integers = np.issubdtype(every.dtype, np.integer)
    if integers:
        width = max(-(-(int(most) - int(low) + 1) // _BARS), 1)
        edges = np.arange(low, most + width + 1, width) - 0.5
    else:
        edges = np.linspace(low, max(most, low + 1e-6), _BARS + 1)
    drawn = report.figure(4.2, 2.4)
    axes = drawn.subplots()
    for name, own in numbers.items():
        if len(own):
            counts, _ = np.histogram(np.minimum(own, edges[-1]), edges)
            shares = counts / len(own)
            axes.stairs(
                shares,
                edges,
                label=name,
                fill=name == "train",
                alpha=0.4 if name == "train" else 1,
            )
    axes.set_xlabel(title)
    axes.xaxis.set_major_locator(
        MaxNLocator(6, integer=integers, min_n_ticks=1)
    )
    axes.set_ylabel("share of the split")
    axes.legend(frameon=False)
    return drawn
