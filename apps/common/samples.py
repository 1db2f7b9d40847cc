"""Examples that a training shows after each epoch."""

import html
import re
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from apps.common import runs
from data_pipelines.files.atomic import replacing


def spread(count: int, most: int) -> list[int]:
    """Return at most so many of `count` rows, evenly spread."""
    if not count:
        return []
    return np.unique(np.linspace(0, count - 1, most).astype(int)).tolist()


def instructive(sure: np.ndarray, errors: np.ndarray, most: int) -> list[int]:
    """Return rows that teach most: first what is sure and wrong.

    At least half of them are wrong, if so many are; of the right ones the least
    sure follow.

    Args:
        sure: `(N,)`, how sure the model is of each, from 0 to 1.
        errors: `(N,)`, how wrong it is, 0 for what is right.
        most: How many rows.
    """
    sure, errors = np.asarray(sure), np.asarray(errors)
    order = np.argsort(-sure * errors, kind="stable")
    wrong = order[errors[order] > 0]
    order = np.argsort(sure, kind="stable")
    right = order[errors[order] <= 0]
    wrong = wrong[: max(most - len(right), -(-most // 2))]
    return [*wrong.tolist(), *right[: most - len(wrong)].tolist()]


def as_list(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return examples as Markdown: a point each, a line for each column.

    TensorBoard breaks the cells of its tables in the midst of words.
    """

    def literal(text):
        return re.sub(r"([\\`*_{}\[\]()#+.!>-])", r"\\\1", html.escape(text))

    def point(line):
        parts = [
            f"**{column}** {literal(cell)}" if column else literal(cell)
            for column, cell in zip(columns, line, strict=True)
        ]
        return "* " + "  \n  ".join(parts)

    return "\n".join(map(point, lines))


class Samples(keras.callbacks.Callback):
    """Each epoch: predictions for a few validation examples.

    They go to `samples.txt` and to TensorBoard. Each app says what its lines
    are, their columns and number, and which pictures TensorBoard gets.
    `validation` is the callback that has just scored the split.
    """

    columns: tuple[str, ...]
    count: int

    def __init__(self, run: runs.Run, data, validation):
        super().__init__()
        self.data = data
        self.split = data.valid
        self.rows = spread(len(data.valid), self.count)
        self.validation = validation
        self.file = run.file("samples.txt")
        self.writer = tf.summary.create_file_writer(
            str(run.file("validation")),
            filename_suffix=".samples",
        )

    def lines(self, epoch: int) -> list[tuple[str, ...]]:
        """Return the lines of an epoch, each a string for every column."""
        raise NotImplementedError

    def pictures(self, epoch: int) -> dict[str, bytes]:
        """Return pictures for TensorBoard: PNG bytes by tag."""
        return {}

    def on_epoch_end(self, epoch, logs=None):
        lines = self.lines(epoch)
        with self.writer.as_default(epoch + 1):
            for tag, png in self.pictures(epoch).items():
                tf.summary.image(tag, tf.io.decode_png(png, channels=3)[None])
            tf.summary.text("samples", as_list(self.columns, lines))
        self.writer.flush()
        self._write(epoch + 1, lines)

    def _write(self, epoch, lines):
        """Append the lines of an epoch to those of the epochs before."""
        heading = f"epoch {epoch}\n"
        before = ""
        if self.file.exists():  # a killed run may have written them already
            before = self.file.read_text("utf-8")
            before = re.split(f"^{heading}", before, flags=re.MULTILINE)[0]
        block = "".join("\t".join(line) + "\n" for line in lines)
        with replacing(self.file) as temporary:
            temporary.write_text(before + heading + block + "\n", "utf-8")

    def on_train_end(self, logs=None):
        self.writer.close()
