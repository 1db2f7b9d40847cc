"""What people look at: HTML pages and pictures."""

import base64
import functools
import html
import io
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup, escape

from apps.common import cli, faults, outcome, runs, tables
from data_pipelines.files.atomic import replacing

# With more classes than this, tables and pictures do not name each.
MOST_NAMED = 20

# Colours of lines, told apart by the colour-blind, too. In pages they are
# `--line1` and so on, lighter ones in the dark.
LINES = ("#155e75", "#b45309", "#6d28d9", "#15803d", "#be123c", "#4b5563")


def render(path: str | Path, template: str, *, title: str, **values) -> None:
    """Write a page that needs no other file; all text in it is escaped.

    Args:
        path: Where to write it; its folder is made if there is none.
        template: Path of its template below `apps/`, which extends
            `common/templates/report.html.jinja`.
        title: Of the page.
        **values: What the template uses.
    """
    page = environment().get_template(template)
    written = page.render(title=title, **values)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(written + "\n", "utf-8")


def of_training(
    run: runs.Run,
    template: str,
    result: outcome.Result,
    *,
    test_set: str,
    metrics: Mapping[str, str],
    baselines: Mapping[str, str],
    main: str,
    curves: Sequence[str] = ("loss",),
    **values,
) -> None:
    """Write `report.html` of a training, and `curve.png`, its history.

    Args:
        run: The run.
        template: See `render`.
        result: What the training came to.
        test_set: What it was tested on, in words.
        metrics: What each score means, in the order of the table.
        baselines: What each baseline is; others may be in it, too.
        main: The score to compare with the baselines.
        curves: What to draw over the epochs.
        **values: What the template uses: `classes`, rows of scores by class;
            `confusion`, labels and the matrix `(C, C)`, if there are any;
            `charts`, pairs of a heading and SVG.
    """
    rows = result.progress.rows
    scores = {run.name: result.scores, **result.baselines}
    metrics = {
        name: meaning
        for name, meaning in metrics.items()
        if any(row.get(name) is not None for row in scores.values())
    }
    with replacing(run.file("curve.png")) as temporary:
        temporary.write_bytes(png(curve(rows, curves)))
    render(
        run.file("report.html"),
        template,
        title=run.name,
        record=outcome.measured(run, result),
        config=run.record["config"],
        task=task(run.app, run.record["config"]),
        remarks=remarks(run, result, main),
        test_set=test_set,
        scores=scores,
        metrics=metrics,
        baselines={name: baselines[name] for name in result.baselines},
        curves=[
            svg(curve(rows, [name]), _in_words(rows, name)) for name in curves
        ],
        **values,
    )


def _in_words(rows, name):
    """Return what a curve shows, for those who do not see it."""
    ends = [
        f"{label} from {rows[0][key]:.4g} to {rows[-1][key]:.4g}"
        for key, label in ((name, "train"), (f"val_{name}", "validation"))
        if rows and all(key in row for row in rows)
    ]
    return f"{name} over the epochs: {', '.join(ends)}"


def by_class(
    targets: np.ndarray,
    probabilities: np.ndarray,
    labels: Sequence[str],
    trained: np.ndarray,
) -> dict:
    """Return what `of_training` shows of a classifier's classes.

    Args:
        targets: `(N,)`, the correct classes.
        probabilities: `(N, C)`.
        labels: Names of the classes.
        trained: `(C,)` examples of each in train.
    """
    from apps.common import classification_metrics  # imports Keras

    both = targets, probabilities
    matrix = None
    if len(labels) <= MOST_NAMED:
        matrix = labels, classification_metrics.confusion(*both).tolist()
    return {
        "classes": classification_metrics.by_class(*both, labels, trained),
        "confusion": matrix,
    }


def task(app: str, config: Mapping) -> str:
    """Return what an app does in a line, as the model card says it."""
    template = environment().get_template(f"{app}/card.md.jinja")
    context = template.new_context({"config": config})
    return "".join(template.blocks["task"](context))


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
    jinja.filters["duration"] = tables.duration
    jinja.filters["chance"] = chance
    jinja.filters["data"] = data_address
    jinja.filters["image"] = lambda *args: Markup(image(*args))
    jinja.filters["heading"] = lambda text: Markup(
        tables.breakable(str(escape(text)))
    )
    jinja.filters["table"] = lambda *args: Markup(tables.html(*args))
    return jinja


def scores_named(app: str, constant: str) -> tuple[str, ...]:
    """Return the scores of an app that a constant of its `scores.py` names.

    Args:
        app: Name of the app.
        constant: "LOWER", of which lower ones are better; "UNRANKED", of which
            none is the best. An app without any has no such constant.
    """
    try:
        return cli.constant(f"apps.{app}.scores", constant)
    except (FileNotFoundError, NameError):
        return ()


def remarks(run: runs.Run, result: outcome.Result, metric: str) -> list[str]:
    """Return in lines how a training ended and whether it was worth it.

    Args:
        run: The `runs.Run`.
        result: The `outcome.Result`.
        metric: The score to compare with the baselines.
    """
    lower = metric in scores_named(run.app, "LOWER")
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
        advice = (
            "try more data, more --epochs, a smaller --learning-rate or other"
            " --units"
        )
        if score == 1 and not lower:  # the best share that there is
            advice = "nothing is left to learn, and it needs no network"
        lines.append(
            f"{name} is as good: {metric} {baseline:.4f}, the model"
            f" {score:.4f}; {advice}"
        )
    return lines


def chance(log_probability: float) -> str:
    """Return a probability in words: "12 %", "1 in 3,400", "1 in 10^12"."""
    percent = 100 * math.exp(log_probability)
    if percent >= 1:
        return f"{percent:.0f} %"
    zeros = -log_probability / math.log(10)
    if zeros > 6:
        return f"1 in 10^{zeros:.0f}"
    return f"1 in {10**zeros:,.0f}"


def data_address(picture: bytes, kind: str = "png") -> str:
    """Return the address of a picture, `png` or `jpeg`, that is the picture."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def image(picture: bytes, description: str, kind: str = "png") -> str:
    """Return the bytes of a picture, `png` or `jpeg`, as HTML."""
    address = data_address(picture, kind)
    return f'<img src="{address}" alt="{html.escape(description)}">'


def figure(width: float, height: float):
    """Return a figure of matplotlib in the style of the reports, in inches."""
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=LINES),
            "svg.fonttype": "none",
            "svg.hashsalt": "unroll",
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


def svg(drawn, description: str) -> Markup:
    """Return a figure of matplotlib as SVG for a page, in the page's colours.

    It is as wide as its place, and its letters are those of the page.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        drawn.savefig(buffer, format="svg", transparent=True)
    text = buffer.getvalue()
    text = re.sub(r"(?s)<(metadata|style).*?</\1>", "", text)
    # Names of groups would stand in a page more than once.
    text = re.sub('<g id="[^"]*"', "<g", text)
    # The font is that of the page, and so are the colours.
    text = re.sub("'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    text = text.replace("#000000", "currentColor")
    for number, color in enumerate(LINES, 1):
        text = text.replace(color, f"var(--line{number})")
    (box,) = re.findall('viewBox="[^"]*"', text)
    drawing = text[text.index(">", text.index("<svg")) + 1 :]
    label = html.escape(description)
    return Markup(f'<svg role="img" aria-label="{label}" {box}>{drawing}')


def curve(rows: Sequence[dict], metrics: Sequence[str]):
    """Draw the training history, a figure of matplotlib.

    Args:
        rows: Dicts, one an epoch, as in `log.csv`.
        metrics: Names of the panels; `val_` is put before them for validation.
    """
    from matplotlib.ticker import MaxNLocator

    drawn = figure(3.6 * len(metrics), 2.6)
    epochs = [row["epoch"] for row in rows]
    panels = np.atleast_1d(drawn.subplots(1, len(metrics)))
    for axes, name in zip(panels, metrics, strict=True):
        for key, label, style, color in [
            (name, "train", ".--", LINES[0]),
            ("val_" + name, "validation", "o-", LINES[1]),
        ]:
            if all(key in row for row in rows):
                values = [row[key] for row in rows]
                axes.plot(epochs, values, style, c=color, ms=4, label=label)
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend(frameon=False)
    return drawn


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
