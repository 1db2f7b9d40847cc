"""Rows written to .csv and .jsonl files, whose cells are no formulas."""

import contextlib
import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from data_pipelines.files.atomic import replacing
from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import encodable

# How a cell begins that a spreadsheet takes for a formula; an apostrophe before
# it says that it is none.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def _is_formula(cell: str) -> bool:
    """Return whether a spreadsheet would compute a cell."""
    if not _FORMULA.match(cell):
        return False
    try:
        float(cell.lstrip("'"))
    except ValueError:
        return True
    return False


def to_cell(value: Any) -> Any:
    """Return a value as a spreadsheet takes it: no text is a formula."""
    if not isinstance(value, str):
        return value
    text = encodable(value)
    return f"'{text}" if _is_formula(text) else text


def from_cell(cell: str) -> str:
    """Return the text that `to_cell` made a cell of."""
    return cell[1:] if cell[:1] == "'" and _is_formula(cell) else cell


def json_line(cells: Mapping[str, Any]) -> str:
    """Return a row as a line of JSON."""
    return encodable(json.dumps(cells, ensure_ascii=False, default=str))


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that writes a row to a .csv or .jsonl file.

    The file exists when all rows are in it. Cells of .csv are as `to_cell` has
    them; its columns are those of the first row.

    Raises:
        DataError: If a later row has other columns.
    """
    path = Path(path)
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        columns: list[str] = []

        def write(row: dict[str, Any]) -> None:
            if path.suffix.lower() == ".jsonl":
                file.write(json_line(row) + "\n")
                return
            if not columns:
                columns.extend(row)
                writer.writerow(map(to_cell, columns))
            if more := [name for name in row if name not in columns]:
                raise DataError(
                    f"{path}: the column {more[0]!r} is not in the first row; "
                    "a .jsonl file can hold such rows"
                )
            cells = (row.get(name) for name in columns)
            writer.writerow(
                to_cell(json_line(c) if isinstance(c, dict | list) else c)
                for c in cells
            )

        yield write
