"""Translations on a page, with a picture of the attention."""

import numpy as np

from apps.common import report

TEMPLATE = "translation/report.html.jinja"


def example(
    predictor, source: str, hypotheses: list, reference: str | None = None
) -> dict:
    """Return a sentence and its translations for the page, the best first."""
    attention = None
    if predictor.has_attention:
        weights = predictor.attention([source], hypotheses[:1])[0]
        attention = attention_picture(*weights)
    return {
        "source": source,
        "hypotheses": hypotheses,
        "reference": reference,
        "is_exact": reference is not None
        and reference.split() == hypotheses[0].text.split(),
        "attention": attention,
    }


def attention_picture(
    source: list[str], target: list[str], weights: np.ndarray
) -> bytes:
    """Draw what each target token attends to; return PNG bytes.

    Args:
        source: S tokens.
        target: T tokens.
        weights: `(T, S)`, each row adding up to one.
    """
    rows, columns = np.shape(weights)
    figure = report.figure(1.6 + 0.26 * columns, 1.2 + 0.22 * rows)
    axes = figure.subplots()
    report.heat_map(axes, weights, aspect="auto")
    axes.set_xticks(
        range(columns), report.literal(source), rotation=60, ha="left"
    )
    axes.set_yticks(range(rows), report.literal(target))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.tick_params(length=0)
    return report.png(figure)
