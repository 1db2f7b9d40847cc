"""BLEU and its neighbours, and the baselines."""

import pytest
from sacrebleu.metrics import BLEU, CHRF

from apps.translation import scores

OUTPUTS = ["Uno due.", "Tre quattro cinque sei."]
REFERENCES = ["Uno due.", "Tre quattro sei cinque."]


def test_scores_are_those_of_sacrebleu():
    metrics = scores.scores(OUTPUTS, REFERENCES, "it")
    bleu = BLEU().corpus_score(OUTPUTS, [REFERENCES]).score
    assert metrics["bleu"] == pytest.approx(bleu)
    assert scores.bleu(OUTPUTS, REFERENCES, "it") == pytest.approx(bleu)
    chrf = CHRF().corpus_score(OUTPUTS, [REFERENCES]).score
    assert metrics["chrf"] == pytest.approx(chrf)
    assert metrics["exact_match"] == 0.5


def test_languages_without_spaces_have_tokenizers_of_their_own():
    assert "tok:13a" in scores.signatures("it")["bleu"]
    assert "tok:zh" in scores.signatures("zh")["bleu"]
    assert "tok:zh" in scores.signatures("zh-CN")["bleu"]
    assert "tok:zh" in scores.signatures("zh_Hant")["bleu"]
    assert scores.bleu(["一二三四五"], ["一二三四六"], "zh") > 30
    assert set(scores.signatures("it")) == {"bleu", "chrf"}


def test_baselines_by_hand():
    rows = scores.baselines(
        ["a b c d e", "f"], ["a b c d e", "z z z z z"], ["z z z z z"] * 2, "en"
    )
    assert rows["copy_source"]["exact_match"] == 0.5
    assert rows["most_frequent"]["exact_match"] == 0.5


def test_of_equally_frequent_sentences_the_first_by_name_is_taken():
    rows = scores.baselines(["x"], ["b"], ["c", "b"], "en")
    assert rows["most_frequent"]["exact_match"] == 1
