"""Rows of .parquet files, a batch at a time, whatever their groups' size."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from data_pipelines.files.errors import EXHAUSTED, DataError
from data_pipelines.files.lines import LONGEST, MOST_PACKED
from data_pipelines.files.names import refuse_special

# Rows and bytes that are in memory at a time.
_ROWS = 1024
_BYTES = 2**20


def rows(
    path: Path, choose: Callable[[list[str]], Sequence[int]]
) -> Iterator[list[Any]]:
    """Yield the values of each row, text as bytes, None what is missing.

    Args:
        path: The file.
        choose: Takes the names of its columns, `a.b` for a field b of a column
            a, and returns which of them to read.

    Raises:
        DataError: It is missing, damaged or no such file.
    """
    # Needed for these files only.
    import pyarrow
    from pyarrow.parquet import ParquetFile

    refuse_special(path)
    if not path.is_file():
        reason = "Is a directory" if path.is_dir() else "there is no such file"
        raise DataError(f"{path}: {reason}")
    try:
        # A buffer is what makes it read a part of a group only.
        with ParquetFile(path, buffer_size=_BYTES, pre_buffer=False) as file:
            _check_size(path, file.metadata)
            names = file.schema_arrow.empty_table().flatten().column_names
            chosen = [names[index] for index in choose(names)]
            for batch in file.iter_batches(_ROWS, columns=chosen):
                flat = pyarrow.Table.from_batches([batch]).flatten()
                columns = [_values(flat[name]) for name in chosen]
                yield from map(list, zip(*columns, strict=True))
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None) in EXHAUSTED:
            raise
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: is damaged or not a Parquet file: {reason}"
        ) from None


def _check_size(path: Path, about: Any) -> None:
    """Refuse a file that holds far more than its size."""
    groups = map(about.row_group, range(about.num_row_groups))
    size = max(about.num_rows, sum(group.total_byte_size for group in groups))
    if size > max(LONGEST, MOST_PACKED * path.stat().st_size):
        raise DataError(
            f"{path}: unpacks to more than {MOST_PACKED} times its size, which "
            "no text does"
        )


def _values(column: Any) -> list[Any]:
    """Return the values of a column; text is not decoded."""
    import pyarrow
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if types.is_string(kind):
        column = column.cast(pyarrow.binary())
    elif types.is_large_string(kind):
        column = column.cast(pyarrow.large_binary())
    elif getattr(kind, "unit", "") == "ns":  # which Python does not have
        micro = pyarrow.duration("us")
        if types.is_timestamp(kind):
            micro = pyarrow.timestamp("us", kind.tz)
        elif types.is_time(kind):
            micro = pyarrow.time64("us")
        column = column.cast(micro, safe=False)
    return column.to_pylist()
