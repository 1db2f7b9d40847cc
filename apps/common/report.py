"""What people look at: tables in the terminal, pictures, HTML pages."""

import base64
import html
import io
import warnings

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from data_pipelines.files.atomic import replacing

matplotlib.rcParams.update({"font.size": 9, "axes.spines.top": False})
matplotlib.rcParams["axes.spines.right"] = False

# From here on classes are not named one by one in tables and pictures.
MOST_NAMED = 20

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.55 system-ui, sans-serif; color: #1b1f24;
  margin: 2rem auto; max-width: 52rem; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; }}
td, th {{ padding: .2rem .8rem .2rem 0; text-align: right; }}
td:first-child, th:first-child {{ text-align: left; }}
th {{ border-bottom: 1px solid #c9d1d9; font-weight: 600; }}
article {{ border-top: 1px solid #dde3e9; padding: .8rem 0; }}
header {{ color: #57606a; font-size: .9rem; margin-bottom: .3rem; }}
mark {{ color: inherit; border-radius: .2rem; padding: .05rem .1rem; }}
img {{ max-width: 100%; }}
figure {{ display: flex; flex-wrap: wrap; gap: 1rem; margin: 0 0 .8rem; }}
figure img {{ width: 12rem; align-self: flex-start; }}
figcaption {{ flex: 1; min-width: 16rem; }}
figcaption p {{ margin: 0 0 .3rem; }}
figcaption ul {{ color: #57606a; font-size: .9rem; padding-left: 1.1rem; }}
.wrong {{ color: #b42318; }}
</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def table(rows, columns, first=""):
    """Returns a text table.

    Args:
        rows: Dict of name -> dict of column -> number or `None`.
        columns: Names of the columns, in order.
        first: Heading of the column of names.
    """
    cells = [[first, *columns]]
    for name, row in rows.items():
        cells.append([name, *(_number(row.get(c)) for c in columns)])
    widths = [max(len(r[i]) for r in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def html_table(rows, columns, first=""):
    """Returns the same table as HTML."""
    head = "".join(f"<th>{html.escape(c)}</th>" for c in [first, *columns])
    body = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{_number(row.get(c))}</td>" for c in columns)
        + "</tr>"
        for name, row in rows.items()
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def image(png, description):
    """Returns PNG bytes as HTML."""
    data = base64.b64encode(png).decode()
    text = html.escape(description)
    return f'<img src="data:image/png;base64,{data}" alt="{text}">'


def write_page(path, title, body):
    """Writes a page that needs no other file; `body` is HTML."""
    text = _PAGE.format(title=html.escape(title), body=body)
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def marked_words(words, weights):
    """Returns words as HTML, each shaded by its weight.

    Args:
        words: List of strings.
        weights: As many non-negative numbers; only their ratios matter.
    """
    top = max([*weights, 1e-9])
    return " ".join(
        f'<mark style="background: rgba(255, 184, 0, {weight / top:.2f})"'
        f' title="{weight:.3f}">{html.escape(word)}</mark>'
        for word, weight in zip(words, weights, strict=True)
    )


def curve(rows, scores):
    """Draws the training history.

    Args:
        rows: List of dicts, one an epoch, as in `log.csv`.
        scores: Names of the panels; `val_` is put before them for validation.

    Returns:
        PNG bytes.
    """
    figure = Figure(figsize=(3.6 * len(scores), 2.6), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    for axes, name in zip(
        np.atleast_1d(figure.subplots(1, len(scores))), scores, strict=True
    ):
        for key, label in [(name, "train"), ("val_" + name, "validation")]:
            if all(key in row for row in rows):
                axes.plot(
                    epochs, [row[key] for row in rows], marker=".", label=label
                )
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend(frameon=False)
    return _png(figure)


def confusion_picture(matrix, labels):
    """Draws a confusion matrix `(C, C)`: rows right, columns predicted.

    Returns:
        PNG bytes.
    """
    matrix = np.asarray(matrix)
    few = len(labels) <= MOST_NAMED
    size = min(2.6 + 0.45 * len(labels), 12)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if few:
        ticks = range(len(labels))
        names = _literal(labels)
        axes.set_xticks(ticks, names, rotation=45 if len(labels) > 3 else 0)
        axes.set_yticks(ticks, names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("right")
    if few:
        for i, j in np.ndindex(*matrix.shape):
            dark = shares[i, j] > 0.5
            axes.text(
                *(j, i, f"{matrix[i, j]:.0f}"),
                ha="center",
                va="center",
                color="white" if dark else "black",
            )
    return _png(figure)


def attention_picture(source, target, weights):
    """Draws what each target token looked at.

    Args:
        source: List of S strings.
        target: List of T strings.
        weights: `(T, S)`, each row adding up to one.

    Returns:
        PNG bytes.
    """
    rows, columns = np.shape(weights)
    figure = Figure(
        figsize=(1.6 + 0.26 * columns, 1.2 + 0.22 * rows), layout="constrained"
    )
    axes = figure.subplots()
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(columns), _literal(source), rotation=60, ha="left")
    axes.set_yticks(range(rows), _literal(target))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return _png(figure)


def _literal(words):
    """Keeps matplotlib from reading a dollar sign as the start of a formula."""
    return [word.replace("$", r"\$") for word in words]


def _png(figure):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Labels in scripts that the font does not have are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def _number(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
