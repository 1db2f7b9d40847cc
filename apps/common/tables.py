"""Tables: for the terminal, for Markdown and for HTML pages."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
import tabulate

# Headings as narrow as they are: tables of many scores fit into a terminal.
tabulate.MIN_PADDING = 0

# Decimals of so large numbers say nothing.
_WHOLE = 10_000


def text(
    rows: Mapping[str, Mapping], columns: Sequence[str], first: str = ""
) -> str:
    """Return a table for the terminal, without columns that no row has.

    Args:
        rows: Dict of name -> dict of column -> number, string or `None`.
        columns: Names of the columns, in order.
        first: Heading of the column of names.
    """
    return _table(*_cells(rows, columns, first), "simple")


def confusion(matrix: np.ndarray, labels: Sequence[str]) -> str:
    """Return a confusion matrix `(C, C)`, targets as rows, as text."""
    rows = {
        label: dict(zip(labels, row, strict=True))
        for label, row in zip(labels, matrix.tolist(), strict=True)
    }
    return text(rows, labels, "target \\ predicted")


def html(
    rows: Mapping[str, Mapping], columns: Sequence[str], first: str = ""
) -> str:
    """Return the same table as HTML; all text in it is escaped."""
    table = _table(*_cells(rows, columns, first), "html")
    # The style of the pages aligns them; one in a cell is escaped.
    table = re.sub(' style="[^"]*"', "", table)
    return re.sub("<th>.*?</th>", lambda head: breakable(head[0]), table)


def breakable(heading: str) -> str:
    """Let a name in HTML go on in a new line behind each underscore."""
    return heading.replace("_", "_<wbr>")


def listed(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Return rows of cells as a table for the terminal."""
    return _table(head, [list(map(number, row)) for row in rows], "simple")


def markdown(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Return a table as GitHub's Markdown; all text in it is escaped."""
    rows = [
        [escape(number(c), quote=False).replace("|", "\\|") for c in row]
        for row in rows
    ]
    return _table(head, rows, "github")


def number(value) -> str:
    """Return a value as people read it: four decimals, or thousands apart."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return " ".join(value.split())
    whole = isinstance(value, int) or abs(value) >= _WHOLE
    return f"{value:,.0f}" if whole else f"{value:.4f}"


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _cells(rows, columns, first):
    """Return the head and the rows of a table."""
    columns = [
        c
        for c in columns
        if any(row.get(c) is not None for row in rows.values())
    ]
    return [first, *columns], [
        [number(name), *(number(row.get(c)) for c in columns)]
        for name, row in rows.items()
    ]


def _table(head, rows, style):
    # All cells are strings already, numbers rounded: align them by place.
    sides = ["left", *["right"] * (len(head) - 1)]
    return tabulate.tabulate(
        rows,
        list(map(number, head)),
        tablefmt=style,
        disable_numparse=True,
        colalign=sides if style != "github" and rows else None,
    )
