"""What people look at: HTML pages and pictures."""

import base64
import functools
import html
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from apps.common import faults, runs, tables
from data_pipelines.files.atomic import replacing

# With more classes than this, tables and pictures do not name each.
MOST_NAMED = 20


def render(
    path: str | Path,
    template: str,
    *,
    title: str,
    pictures: Sequence[tuple[str, bytes]] = (),
    **values,
) -> None:
    """Write a page that needs no other file; all text in it is escaped.

    Args:
        path: Where to write it.
        template: Path of its template below `apps/`, which extends
            `common/templates/report.html.jinja`.
        title: Of the page.
        pictures: Pairs of a heading and PNG bytes.
        **values: What the template uses. A report of a training has
            `test_set`, what it was tested on in words, `scores`, the rows of
            its table, and `metrics`, the columns.
    """
    page = environment().get_template(template)
    written = page.render(title=title, pictures=pictures, **values)
    with replacing(path) as temporary:
        temporary.write_text(written + "\n", "utf-8")


@functools.cache
def environment() -> jinja2.Environment:
    """Return what renders templates; paths are below `apps/`."""
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parents[1]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.globals["zip"] = zip
    jinja.filters["number"] = tables.number
    jinja.filters["image"] = lambda *args: Markup(image(*args))
    jinja.filters["table"] = lambda *args: Markup(tables.html(*args))
    return jinja


def remarks(
    run: runs.Run, result: runs.Result, metric: str, lower: bool = False
) -> list[str]:
    """Return in lines how a training ended and whether it was worth it.

    Args:
        run: The `runs.Run`.
        result: The `runs.Result`.
        metric: The score to compare with the baselines.
        lower: Whether lower scores are better.
    """
    lines = [result.progress.ending]
    if run.record["config"].get("train_share") == 0:
        return [*lines, faults.remark(result.progress.rows[-1]["loss"])]
    if run.record["config"].get("preset") == "smoke":
        return [*lines, "a smoke test: its scores mean nothing"]
    score = result.scores[metric]
    for name, scores in result.baselines.items():
        baseline = scores.get(metric)
        # What people write is no trivial baseline, nor is the best there is.
        if name in ("human", "attainable") or None in (baseline, score):
            continue
        if baseline > score if lower else baseline < score:
            continue
        lines.append(
            f"{name} is as good: {metric} {baseline:.4f}, the model"
            f" {score:.4f}; try more data, more --epochs, a smaller"
            " --learning-rate or other --units"
        )
    return lines


def image(picture: bytes, description: str, kind: str = "png") -> str:
    """Return the bytes of a picture, `png` or `jpeg`, as HTML."""
    data = base64.b64encode(picture).decode()
    address = f"data:image/{kind};base64,{data}"
    return f'<img src="{address}" alt="{html.escape(description)}">'


def figure(width: float, height: float):
    """Return a figure of matplotlib in the style of the reports, in inches."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    return Figure(figsize=(width, height), layout="constrained")


def png(drawn, dpi: int = 130) -> bytes:
    """Return a figure of matplotlib as PNG bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Labels in scripts that the font does not have are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        drawn.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def curve(rows: Sequence[dict], metrics: Sequence[str]) -> bytes:
    """Draw the training history; return PNG bytes.

    Args:
        rows: Dicts, one an epoch, as in `log.csv`.
        metrics: Names of the panels; `val_` is put before them for validation.
    """
    from matplotlib.ticker import MaxNLocator

    drawn = figure(3.6 * len(metrics), 2.6)
    epochs = [row["epoch"] for row in rows]
    panels = np.atleast_1d(drawn.subplots(1, len(metrics)))
    for axes, name in zip(panels, metrics, strict=True):
        for key, label in [(name, "train"), ("val_" + name, "validation")]:
            if all(key in row for row in rows):
                axes.plot(
                    epochs, [row[key] for row in rows], marker=".", label=label
                )
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend(frameon=False)
    return png(drawn)


def confusion_picture(matrix: np.ndarray, labels: Sequence[str]) -> bytes:
    """Draw a confusion matrix `(C, C)`, targets as rows; return PNG bytes."""
    matrix = np.asarray(matrix)
    named = len(labels) <= MOST_NAMED
    size = min(2.6 + 0.45 * len(labels), 12)
    drawn = figure(size + 0.6, size)
    axes = drawn.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    heat_map(axes, shares)
    axes.set_xlabel("predicted")
    axes.set_ylabel("target")
    if named:
        ticks, names = range(len(labels)), literal(labels)
        axes.set_xticks(ticks, names, rotation=45 if len(labels) > 3 else 0)
        axes.set_yticks(ticks, names)
        for row, column in np.ndindex(*matrix.shape):
            axes.text(
                column,
                row,
                f"{matrix[row, column]:.0f}",
                ha="center",
                va="center",
                color="white" if shares[row, column] > 0.5 else "black",
            )
    return png(drawn)


def heat_map(axes, values: np.ndarray, **options) -> None:
    """Draw numbers from 0 to 1 as shades of blue, without a frame."""
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, **options)
    for spine in axes.spines.values():
        spine.set_visible(False)


def literal(words: Sequence[str]) -> list[str]:
    """Keep matplotlib from reading a dollar sign as the start of a formula."""
    return [word.replace("$", r"\$") for word in words]
