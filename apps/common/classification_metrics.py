"""Scores of a classifier, and one metric that `fit` can watch.

accuracy   share of examples whose most probable class is the target
macro_f1   mean over the classes of F1 = 2 P R / (P + R), each class alike
           however rare; a class that is neither predicted nor a target counts 0
roc_auc    two classes only: the chance that a random example of the second
           class gets a higher probability of it than one of the first
"""

import keras
import numpy as np
from keras import ops

# Of more classes, those with the lowest F1 are shown.
_MOST_CLASSES = 40


def classification(targets: np.ndarray, probabilities: np.ndarray) -> dict:
    """Score predictions.

    Args:
        targets: `(N,)` integers, the correct classes.
        probabilities: `(N, C)` predicted probabilities.

    Returns:
        Dict of floats; `roc_auc` is `None` unless there are two classes.
    """
    from sklearn import metrics

    count = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    macro_f1 = metrics.f1_score(
        targets,
        predicted,
        labels=range(count),
        average="macro",
        zero_division=0.0,
    )
    roc_auc = None
    if count == 2 and len(np.unique(targets)) == 2:
        roc_auc = float(metrics.roc_auc_score(targets, probabilities[:, 1]))
    return {
        "accuracy": float(metrics.accuracy_score(targets, predicted)),
        "macro_f1": float(macro_f1),
        "roc_auc": roc_auc,
    }


def by_class(
    targets: np.ndarray,
    probabilities: np.ndarray,
    labels: list[str],
    trained: np.ndarray,
) -> dict[str, dict]:
    """Return scores and examples of each class, by its name.

    Args:
        targets: `(N,)` integers, the correct classes.
        probabilities: `(N, C)` predicted probabilities.
        labels: Names of the C classes.
        trained: `(C,)` examples of each in train.
    """
    from sklearn import metrics

    *shares, tested = metrics.precision_recall_fscore_support(
        targets,
        probabilities.argmax(axis=1),
        labels=range(len(labels)),
        zero_division=0.0,
    )
    names = ("precision", "recall", "f1", "test", "train")
    counts = tested.astype(int), trained
    rows = zip(*(c.tolist() for c in (*shares, *counts)), strict=True)
    table = {
        label: dict(zip(names, row, strict=True))
        for label, row in zip(labels, rows, strict=True)
    }
    if len(table) <= _MOST_CLASSES:
        return table
    worst = sorted(table, key=lambda label: table[label]["f1"])
    return {label: table[label] for label in worst[:_MOST_CLASSES]}


def nll(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean of -log p of the target classes."""
    of_targets = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(of_targets, 1e-7)).mean())


def confusion(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return `(C, C)` counts: rows the target, columns the prediction."""
    from sklearn import metrics

    labels = range(probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    return metrics.confusion_matrix(targets, predicted, labels=labels)


class MacroF1(keras.metrics.F1Score):
    """Keras's macro-averaged F1, for targets that are class numbers.

    Call arguments: target classes `(B,)`, probabilities `(B, C)`.

    Args:
        classes: C; the metric then has its variables before the first step,
            which is traced twice if it creates any.
    """

    def __init__(self, classes=None, name="macro_f1", **kwargs):
        super().__init__(average="macro", name=name, **kwargs)
        if classes:
            self._build((None, classes), (None, classes))

    def update_state(self, y_true, y_pred, sample_weight=None):
        classes = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        one_hot = ops.one_hot(classes, ops.shape(y_pred)[-1])  # B C
        super().update_state(one_hot, y_pred, sample_weight)
