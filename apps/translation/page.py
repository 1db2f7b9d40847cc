"""Translations on a page, with the attention."""

import difflib

import numpy as np

from apps.common import report

TEMPLATE = "translation/report.html.jinja"


def example(
    predictor, source: str, hypotheses: list, reference: str | None = None
) -> dict:
    """Return a sentence and its translations for the page, the best first."""
    attention = None
    if predictor.has_attention:
        attention = predictor.attention([source], hypotheses[:1])[0]
    best = hypotheses[0].text.split()
    words = (reference or "").split()
    same = difflib.SequenceMatcher(None, best, words, autojunk=False)
    return {
        "source": source,
        "hypotheses": hypotheses,
        "reference": reference,
        "is_exact": reference is not None and words == best,
        "best": marked(
            best, [(a, n) for a, _, n in same.get_matching_blocks()]
        ),
        "expected": marked(
            words, [(b, n) for _, b, n in same.get_matching_blocks()]
        ),
        "attention": attention,
    }


def marked(
    words: list[str], same: list[tuple[int, int]]
) -> list[tuple[str, bool]]:
    """Return words in pieces, each with whether the other side has it, too.

    Args:
        words: Of a sentence.
        same: First word and length of the pieces that both have, in order.
    """
    pieces, place = [], 0
    for start, length in [*same, (len(words), 0)]:
        pieces.append((" ".join(words[place:start]), False))
        pieces.append((" ".join(words[start : start + length]), True))
        place = start + length
    return [piece for piece in pieces if piece[0]]


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
