"""Examples that a training shows after each epoch."""

import keras
import numpy as np
import tensorflow as tf

from apps.common import runs, tables
from data_pipelines.files.atomic import replacing


def spread(count: int, most: int) -> list[int]:
    """Return at most so many of `count` rows, evenly spread."""
    if not count:
        return []
    return np.unique(np.linspace(0, count - 1, most).astype(int)).tolist()


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
            str(run.file("tensorboard") / "validation"),
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
            tf.summary.text("samples", tables.markdown(self.columns, lines))
        self.writer.flush()
        self._write(epoch + 1, lines)

    def _write(self, epoch, lines):
        """Append the lines of an epoch to those of the epochs before."""
        heading = f"epoch {epoch}\n"
        before = ""
        if self.file.exists():  # a killed run may have written them already
            before = self.file.read_text("utf-8").split(heading)[0]
        block = "".join("\t".join(line) + "\n" for line in lines)
        with replacing(self.file) as temporary:
            temporary.write_text(before + heading + block + "\n", "utf-8")

    def on_train_end(self, logs=None):
        self.writer.close()
