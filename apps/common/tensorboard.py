"""TensorBoard of a run, beside what `samples` and the app itself add.

Tags under `train`: `loss`, metrics, `learning_rate`, `gradient_norm` (of the
last step of the epoch, before clipping), `examples_per_second` and
`tokens_per_second` (padding and validation time left out), histograms of all
weights; under `validation`: `loss` and the metrics; under `test`: the scores of
the best model. Projector: the embeddings.
HParams: the configuration of a finished run beside its scores on test.
"""

import time
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins import projector
from tensorboard.plugins.hparams import api as hparams

from apps.common.runs import Run

# The projector gets slow with more; the first words are the most frequent.
MOST_WORDS = 3000

# The steps of an epoch to profile: the first ones compile.
PROFILED = range(5, 15)


class TensorBoard(keras.callbacks.Callback):
    """Write event files into `train/` and `validation/` of a run.

    Args:
        run: The `runs.Run`.
        examples: Examples in one epoch.
        lengths: `(N,)` tokens, or frames, of all training examples, padding
            left out.
        profile: Whether to profile the steps of `PROFILED`.
    """

    def __init__(
        self,
        run: Run,
        examples: float,
        lengths: np.ndarray,
        profile: bool = False,
    ):
        super().__init__()
        self.profile = str(run.path) if profile else None
        self.train, self.validation = (
            tf.summary.create_file_writer(str(run.file(name)))
            for name in ("train", "validation")
        )
        tokens = examples * float(lengths.mean())
        self.amounts = {"examples": examples, "tokens": tokens}

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        if self.profile and batch == PROFILED.start:
            tf.profiler.experimental.start(self.profile)

    def on_train_batch_end(self, batch, logs=None):
        self._seconds = time.perf_counter() - self._begun
        if self.profile and batch == PROFILED[-1]:
            tf.profiler.experimental.stop()
            self.profile = None

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        step = epoch + 1
        with self.train.as_default(step):
            for name in ("learning_rate", "gradient_norm"):
                if not hasattr(optimizer, name):
                    continue
                value = float(
                    keras.ops.convert_to_numpy(getattr(optimizer, name))
                )
                tf.summary.scalar(name, value)
            for name, amount in self.amounts.items():
                tf.summary.scalar(f"{name}_per_second", amount / self._seconds)
            for variable in self.model.trainable_variables:
                tf.summary.histogram(
                    variable.path, keras.ops.convert_to_numpy(variable)
                )
        for name, value in logs.items():
            validation = name.startswith("val_")
            writer = self.validation if validation else self.train
            with writer.as_default(step):
                tf.summary.scalar(name.removeprefix("val_"), value)
        self.train.flush()
        self.validation.flush()

    def on_train_end(self, logs=None):
        self.train.close()
        self.validation.close()


def write_hparams(
    run: Run,
    config: Mapping[str, object],
    scores: Mapping[str, float | None],
    epoch: int,
) -> None:
    """Show a configuration, without paths, and scores on test.

    The scores are under `test`, at the epoch of the model that was tested:
    beside those on valid, and before them in the columns of HParams.
    """
    plain = {
        name: value
        for name, value in config.items()
        if isinstance(value, (bool, int, float, str))
        and name != "name"
        and not name.endswith("_path")
    }
    writer = tf.summary.create_file_writer(str(run.path))
    with writer.as_default(0):
        hparams.hparams(plain, trial_id=f"{run.app}/{run.name}")
    writer.close()
    writer = tf.summary.create_file_writer(str(run.file("test")))
    with writer.as_default(epoch):
        for name, score in scores.items():
            if score is not None:
                tf.summary.scalar(name, score)
    writer.close()


def write_projector(
    run: Run,
    vectors: np.ndarray,
    words: Sequence[str],
    special: int = 0,
    columns: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Show vectors `(N, D)` under N words in TensorBoard's projector.

    The first ones, which are special, and those behind `MOST_WORDS` are not
    shown.

    Args:
        run: The run.
        vectors: `(N, D)`.
        words: N words.
        special: How many are special.
        columns: N numbers of each name, by which words can be coloured.
    """
    shown = slice(special, special + MOST_WORDS)
    vectors, words = vectors[shown], words[shown]
    named = {name: values[shown] for name, values in (columns or {}).items()}
    # TensorBoard looks for the projector's files only in a folder that holds
    # event files, and reads tab-separated values; checkpoints of Keras 3 it
    # cannot read.
    folder = run.file("train")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "vectors.tsv", "w", encoding="utf-8") as file:
        for vector in vectors:
            file.write("\t".join(f"{x:.5f}" for x in vector) + "\n")
    with open(folder / "words.tsv", "w", encoding="utf-8") as file:
        if named:  # one column has no heading
            file.write("\t".join(["word", *named]) + "\n")
        for word, *numbers in zip(words, *named.values(), strict=True):
            cells = (f"{number:.3f}" for number in numbers)
            file.write("\t".join([word, *cells]) + "\n")
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "words"
    embedding.tensor_path = "vectors.tsv"
    embedding.metadata_path = "words.tsv"
    projector.visualize_embeddings(str(folder), config)
