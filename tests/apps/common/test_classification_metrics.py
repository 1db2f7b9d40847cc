"""Scores of a classifier against their definitions."""

import numpy as np
import pytest

from apps.common import classification_metrics


def by_definition(targets, predicted, classes):
    """Accuracy and macro-F1 counted one example at a time."""
    f1 = []
    for c in range(classes):
        both = sum(
            r == c and p == c for r, p in zip(targets, predicted, strict=True)
        )
        total = sum(r == c for r in targets) + sum(p == c for p in predicted)
        f1.append(2 * both / total if total else 0.0)
    return np.mean(np.equal(targets, predicted)), np.mean(f1)


def roc_auc_by_definition(targets, probabilities):
    """Share of (first, second) pairs in the correct order, ties one half."""
    high = probabilities[targets == 1, 1][:, None]
    low = probabilities[targets == 0, 1][None, :]
    return np.mean((high > low) + 0.5 * (high == low))


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_classification(classes):
    random = np.random.default_rng(classes)
    targets = random.integers(0, classes, 60)
    probabilities = random.dirichlet(np.ones(classes), 60).round(1)
    scores = classification_metrics.classification(targets, probabilities)
    predicted = probabilities.argmax(1)
    accuracy, macro_f1 = by_definition(targets, predicted, classes)
    assert scores["accuracy"] == pytest.approx(accuracy)
    assert scores["macro_f1"] == pytest.approx(macro_f1)
    if classes == 2:
        expected = roc_auc_by_definition(targets, probabilities)
        assert scores["roc_auc"] == pytest.approx(expected)
    else:
        assert scores["roc_auc"] is None


def test_a_class_that_never_occurs_counts_zero_without_a_warning():
    probabilities = np.eye(3)[[0, 1, 1]]
    scores = classification_metrics.classification(
        np.array([0, 1, 0]), probabilities
    )
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_roc_auc_needs_both_classes():
    scores = classification_metrics.classification(
        np.zeros(4, int), np.full((4, 2), 0.5)
    )
    assert scores["roc_auc"] is None


def test_confusion_rows_are_the_targets():
    probabilities = np.eye(3)[[1, 1, 2]]
    matrix = classification_metrics.confusion(
        np.array([0, 1, 2]), probabilities
    )
    assert matrix.tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("classes", [4, 300])
def test_the_metric_of_fit_equals_the_score_over_all_batches(classes):
    random = np.random.default_rng(0)
    targets = random.integers(0, classes, 50)
    probabilities = random.dirichlet(np.ones(classes), 50).astype("float32")
    metric = classification_metrics.MacroF1()
    for start in range(0, 50, 7):
        rows = slice(start, start + 7)
        metric.update_state(targets[rows], probabilities[rows])
    expected = classification_metrics.classification(targets, probabilities)[
        "macro_f1"
    ]
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_examples_weigh_as_they_should():
    targets, probabilities = [0, 1, 1], np.eye(2)[[0, 1, 0]]
    weighted, repeated = (
        classification_metrics.MacroF1(),
        classification_metrics.MacroF1(),
    )
    weighted.update_state(targets, probabilities, sample_weight=[1, 3, 0])
    repeated.update_state([0, 1, 1, 1], np.eye(2)[[0, 1, 1, 1]])
    assert float(weighted.result()) == pytest.approx(float(repeated.result()))
