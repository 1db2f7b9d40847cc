"""Scores of a classifier, and one metric that `fit` can watch.

accuracy   share of examples whose most probable class is the right one
macro_f1   mean over the classes of F1 = 2 P R / (P + R), each class alike
           however rare; a class never predicted nor present counts 0
roc_auc    two classes only: the chance that a random example of the second
           class gets a higher probability of it than one of the first
"""

import keras
import numpy as np
from keras import ops
from sklearn import metrics


def classification(classes, probabilities):
    """Scores predictions.

    Args:
        classes: `(N,)` integers, the right classes.
        probabilities: `(N, C)` predicted probabilities.

    Returns:
        Dict of floats; `roc_auc` is `None` unless there are two classes.
    """
    count = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    both = count == 2 and len(np.unique(classes)) == 2
    return {
        "accuracy": float(metrics.accuracy_score(classes, predicted)),
        "macro_f1": float(
            metrics.f1_score(
                classes,
                predicted,
                labels=range(count),
                average="macro",
                zero_division=0.0,
            )
        ),
        "roc_auc": (
            float(metrics.roc_auc_score(classes, probabilities[:, 1]))
            if both
            else None
        ),
    }


def confusion(classes, probabilities):
    """Returns `(C, C)` counts: rows the right class, columns the predicted."""
    count = probabilities.shape[1]
    return metrics.confusion_matrix(
        classes, probabilities.argmax(axis=1), labels=range(count)
    )


class MacroF1(keras.metrics.Metric):
    """Macro-averaged F1; with few classes `matrix` holds the confusion counts.

    Args:
        classes: Number of classes.
        name: Name in the logs.

    Call arguments: right classes `(B,)`, probabilities `(B, C)`.
    """

    MOST_CLASSES = 100  # of the matrix

    def __init__(self, classes, name="macro_f1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes = classes
        # How often each class is predicted rightly, right, and predicted.
        self.counts = self.add_variable((3, classes), "zeros", name="counts")
        self.matrix = None
        if classes <= self.MOST_CLASSES:
            self.matrix = self.add_variable(
                (classes, classes), "zeros", name="matrix"
            )

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        y_pred = ops.argmax(y_pred, axis=-1)
        right = ops.one_hot(y_true, self.classes, dtype=self.dtype)  # B C
        predicted = ops.one_hot(y_pred, self.classes, dtype=self.dtype)
        if sample_weight is not None:
            weight = ops.reshape(ops.cast(sample_weight, self.dtype), (-1, 1))
            right, predicted = right * weight, predicted * weight
        both = right * ops.cast(predicted > 0, self.dtype)
        parts = [ops.sum(x, axis=0) for x in (both, right, predicted)]
        self.counts.assign_add(ops.stack(parts))
        if self.matrix is not None:
            predicted = ops.cast(predicted > 0, self.dtype)
            self.matrix.assign_add(ops.matmul(ops.transpose(right), predicted))

    def result(self):
        both, right, predicted = ops.unstack(
            ops.convert_to_tensor(self.counts), 3
        )
        return ops.mean(2 * both / ops.maximum(right + predicted, 1e-9))

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}
