"""Why a text has its label."""

import numpy as np
import pytest

from apps.sentiment import explain

TEXT = " A <i>DULL</i> start, but what a lovely, lovely End! "


@pytest.fixture(scope="module")
def explained(predictor):
    texts = [TEXT, "", "Dull."]
    (one, short) = explain.explain(predictor, texts, predictor(texts))
    assert short.prediction.words == ["dull", "."]
    return one


def test_words_stand_as_they_were_written(explained):
    written = "".join(word.before + word.text for word in explained.words)
    assert written + explained.rest == TEXT
    words = [word.text.lower() for word in explained.words]
    assert words == explained.prediction.words
    weights = [word.attention for word in explained.words]
    assert weights == explained.prediction.weights


def test_a_change_is_the_difference_to_the_text_without_the_word(
    predictor, explained
):
    words = explained.prediction.words
    for place, word in enumerate(explained.words):
        without = " ".join(words[:place] + words[place + 1 :])
        (other,) = predictor([without])
        expected = np.subtract(
            explained.prediction.probabilities, other.probabilities
        )
        changes = [word.changes[label] for label in predictor.labels]
        np.testing.assert_allclose(changes, expected, atol=1e-5)
        assert word.change == word.changes[explained.prediction.label]
        assert word.size == max(map(abs, changes))


def test_of_a_long_text_what_weighs_most_is_left_out(predictor, monkeypatch):
    monkeypatch.setattr(explain, "MOST_WORDS", 2)
    (one,) = explain.explain(predictor, [TEXT], predictor([TEXT]))
    tried = [word.attention for word in one.words if word.changes]
    assert sorted(tried) == sorted(w.attention for w in one.words)[-2:]


def test_ngrams_speak_for_the_class_whose_texts_have_them(explained):
    ngrams = dict(explained.ngrams)
    assert ngrams
    for text, ratios in ngrams.items():
        assert text in TEXT
        # Of two classes one has what the other has not.
        assert ratios["good"] == -ratios["bad"]
        if "lovely" in text and "DULL" not in text:
            assert ratios["good"] > 0
    largest = [max(ratios.values()) for ratios in ngrams.values()]
    assert largest == sorted(largest, reverse=True)
