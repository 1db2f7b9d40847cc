"""Where a trial of a search trains: as any run, but it ends before the test."""

import keras
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from apps.common import checkpoint, distributed


class Validated(distributed.Machines):
    """Trains, reports the score of each epoch to the search, and stops.

    Args:
        connection: To the search; see `trial`.
        about: Name -> value of what is searched.
    """

    def __init__(self, connection, about):
        self.connection = connection
        self.about = about

    def train(self, training):
        saving = checkpoint.among(training.callbacks)
        progress = training.progress
        writer = tf.summary.create_file_writer(str(saving.run.path))
        with writer.as_default():
            hparams.hparams(self.about, trial_id=str(saving.run.path))
        writer.close()
        values = [row[saving.monitor] for row in progress.rows]
        self.connection.send(("began", saving.monitor, saving.lower, values))
        if self.connection.recv():
            reporting = _Reporting(self.connection, saving.monitor)
            # Behind the backup: an epoch that is reported is not repeated.
            callbacks = [*training.callbacks, reporting]
            super().train(training._replace(callbacks=callbacks))
        self.connection.send(
            (
                "done",
                progress.best,
                progress.best_epoch,
                progress.epoch,
                progress.seconds,
            )
        )
        raise distributed.Stopped


class _Reporting(keras.callbacks.Callback):
    """After each epoch: report its score, and stop if the search says so."""

    def __init__(self, connection, monitor):
        super().__init__()
        self.connection, self.monitor = connection, monitor

    def on_epoch_end(self, epoch, logs=None):
        self.connection.send(("epoch", epoch + 1, float(logs[self.monitor])))
        if not self.connection.recv():
            self.model.stop_training = True
