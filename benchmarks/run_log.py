"""Finished runs of a benchmark, kept in a file so that none is lost."""

import json
import pathlib

import keras

from apps.common import checks
from data_pipelines.files.atomic import replacing
from data_pipelines.files.errors import DataError


def runs(path, wanted, measured, line):
    """Measures what is not in the file yet; prints and writes as it goes.

    Args:
        path: Of a JSON file with all runs that were ever finished.
        wanted: Iterable of settings, dicts that JSON can hold.
        measured: Function of settings that returns a dict of results.
        line: Function of a run that returns what is printed of it.

    Returns:
        The list of the wanted runs: dicts of `settings` and the results.

    Raises:
        UserError: The file cannot be written.
        DataError: It is no file of runs.
    """
    checks.output_file("json", path)
    path = pathlib.Path(path)
    rows = _read(path) if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = []
    for settings in wanted:
        row = next((r for r in rows if r["settings"] == settings), None)
        if row is None:
            keras.backend.clear_session()
            row = {"settings": settings, **measured(settings)}
            rows.append(row)
            with replacing(path) as file:
                file.write_text(json.dumps(rows, indent=1))
        asked.append(row)
        print(line(row), flush=True)
    return asked


def _read(path):
    try:
        rows = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: is not JSON: {error}") from None
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and "settings" in row for row in rows
    ):
        raise DataError(f"{path}: is no list of runs; name another by --json")
    return rows
