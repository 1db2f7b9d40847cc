"""Texts that people give to a command, and the answers that it gives back.

Texts are read by the readers of training data, so they are cleaned alike: those
of the command line, the lines of a file or of standard input, or a column of a
table, which is written back with the answers beside it.
"""

import contextlib
import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from apps.common import checks, runs
from apps.common.cli import UserError, flag
from apps.common.terminal import echo
from data_pipelines.files import tables
from data_pipelines.files.lines import Lines, checked, decode
from data_pipelines.files.table_writer import json_line, writing
from data_pipelines.files.tables import Row, Table

OUTPUTS = (".csv", ".jsonl")


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of every `predict` of texts, which has positional `texts`."""

    input: str = flag(
        "", "file with a text a line, or table: .csv, .tsv, .jsonl, .parquet"
    )
    text_column: str = flag(
        "", "column of a table to read; empty: by its usual names"
    )
    encoding: str = runs.ENCODING
    output: str = flag("", "table to write, .csv or .jsonl; empty: print")
    json: bool = flag(False, "print an object of JSON for each text")

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        if not tables.kind(self.input):
            yield "text_column", "without a table as --input"
        if self.texts:
            yield "encoding", "on texts of the command line"
        if self.output:
            yield "json", "with --output, whose ending says the format"

    def check(self) -> None:
        """Refuse what cannot be read or written."""
        super().check()
        checks.texts(self.texts, self.input, "text")
        checks.output_file("output", self.output)
        if self.encoding:
            checked(self.encoding)
        if self.output and not self.output.lower().endswith(OUTPUTS):
            raise UserError(
                f"--output {self.output}: expected a name that ends in "
                f"{' or '.join(OUTPUTS)}"
            )
        if self.input.lower().endswith(".json"):
            raise UserError(
                f"{self.input}: expected .jsonl, with an object on each line"
            )


def read(
    options: Options, noun: str, columns: Sequence[str] = ()
) -> Iterator[Row]:
    """Yield rows with a `text`, which may be empty, and all their `cells`.

    Args:
        options: The flags.
        noun: What one of the texts is called in errors.
        columns: What a column of texts is often called, besides `text`.

    Raises:
        UserError: There is no text at all, or there are two places.
        DataError: A file is not as described, with its line.
    """
    checks.texts(options.texts, options.input, noun)
    if options.texts:
        for number, word in enumerate(options.texts, 1):
            text, broken = decode(word.encode("utf-8", "surrogateescape"))
            if broken:
                _note(f"{noun} {number}: {broken} broken bytes replaced")
            text = text.removeprefix("\ufeff")
            yield Row({"text": text.strip()}, number, {"text": text})
        return
    if tables.kind(options.input):
        source = Table(
            options.input,
            ["text"],
            encoding=options.encoding,
            names={"text": options.text_column},
            also={"text": columns},
            whole=True,
        )
        rows = iter(source)
    else:
        source = _lines(options, noun)
        rows = _rows(source)
    for row in rows:
        text = row["text"].strip()
        yield Row({"text": text}, row.line, row.cells, source.path)
    for note in source.notes():
        _note(note)


def _lines(options: Options, noun: str) -> Lines:
    """Return the lines of the file, or of standard input."""
    if options.input:
        return Lines(options.input, options.encoding)
    if sys.stdin is None:
        raise UserError(f"no {noun}, and no standard input")
    if sys.stdin.isatty():
        echo(f"one {noun} a line, end with Ctrl-D", file=sys.stderr)
    if not sys.stdin.buffer.peek(1):
        raise UserError(f"no {noun}; give one, or --input FILE")
    return Lines("standard input", options.encoding, sys.stdin.buffer)


def _rows(lines: Lines) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        yield Row({"text": text}, number, {"text": text})


def _note(note: str) -> None:
    echo(f"note: {note}", file=sys.stderr)


@contextlib.contextmanager
def answers(
    options: Options, *run_paths: Path
) -> Iterator[Callable[[Row, str, dict], None]]:
    """Yield a function that prints or writes the answer to a row.

    It takes the row, a line that says the answer, and the answer as columns.
    With the first one it is said on standard error which run they are of.

    Args:
        options: The flags.
        *run_paths: Folder of the run, or of the runs.
    """
    first = True
    with contextlib.ExitStack() as stack:
        write = None
        if options.output:
            Path(options.output).parent.mkdir(parents=True, exist_ok=True)
            write = stack.enter_context(writing(options.output))

        def answer(row: Row, line: str, columns: dict) -> None:
            nonlocal first
            if first:
                noun = "run" if len(run_paths) == 1 else "runs"
                folders = ", ".join(map(str, run_paths))
                _note(f"answers of the {noun} {folders}")
            first = False
            cells = dict(row.cells)
            for name, value in columns.items():
                cells[f"predicted_{name}" if name in row.cells else name] = (
                    value
                )
            if write:
                write(cells)
            elif options.json:
                echo(json_line(cells))
            else:
                echo(line)

        yield answer
    if options.output:
        echo(f"wrote {options.output}", file=sys.stderr)


def ranked(
    name: str,
    outputs: Sequence[tuple[str, float]],
    count: int,
    scores: bool,
) -> dict[str, str | float | None]:
    """Return outputs as columns of a table, empty where there is none.

    Args:
        name: What an output is called.
        outputs: Texts with their scores, the best first.
        count: How many columns there are.
        scores: Whether the scores have columns, too.
    """
    cells = {}
    padded = itertools.chain(outputs, itertools.repeat((None, None)))
    for number, (text, score) in enumerate(itertools.islice(padded, count), 1):
        end = f"_{number}" if number > 1 else ""
        cells[f"{name}{end}"] = text
        if scores:
            cells[f"score{end}"] = None if score is None else round(score, 3)
    return cells
