"""BLEU and its neighbours, and the baselines."""

import jiwer
import pytest
from sacrebleu.metrics import BLEU, CHRF

from apps.translation import scores

OUTPUTS = ["Uno due.", "Tre quattro cinque sei."]
REFERENCES = [["Uno due."], ["Tre quattro sei cinque."]]
FIRST = [first for first, *_ in REFERENCES]


def test_scores_are_those_of_sacrebleu():
    metrics = scores.scores(OUTPUTS, REFERENCES, "it")
    bleu = BLEU().corpus_score(OUTPUTS, [FIRST]).score
    assert metrics["bleu"] == pytest.approx(bleu)
    assert scores.bleu(OUTPUTS, REFERENCES, "it") == pytest.approx(bleu)
    chrf = CHRF().corpus_score(OUTPUTS, [FIRST]).score
    assert metrics["chrf"] == pytest.approx(chrf)
    assert metrics["exact_match"] == 0.5
    # "cinque" is deleted and inserted, of six words.
    assert metrics["edit_rate"] == 2 / 6 == jiwer.wer(FIRST, OUTPUTS)


def test_an_output_is_scored_by_the_nearest_of_its_references():
    outputs = ["K AE T", "T AH M EY T", "R EH D"]
    references = [
        ["K AE T"],
        ["T AH M AA T OW", "T AH M EY T OW"],
        ["R IY D", "R EH D"],
    ]
    metrics = scores.scores(outputs, references, "phones")
    # One deletion, and the nearest references have 3 + 6 + 3 words.
    assert metrics["edit_rate"] == 1 / 12
    assert metrics["exact_match"] == 2 / 3
    streams = [
        ["K AE T", "T AH M AA T OW", "R IY D"],
        [None, "T AH M EY T OW", "R EH D"],
    ]
    assert metrics["bleu"] == BLEU().corpus_score(outputs, streams).score
    assert metrics["chrf"] == CHRF().corpus_score(outputs, streams).score
    assert scores.errors(outputs, references)[::2] == [0, 0]
    for signature in scores.signatures(references, "phones").values():
        assert "nrefs:var" in signature


def test_languages_without_spaces_have_tokenizers_of_their_own():
    italian = scores.signatures(REFERENCES, "it")
    assert set(italian) == {"bleu", "chrf"}
    assert "nrefs:1|" in italian["bleu"]
    assert "tok:13a" in italian["bleu"]
    for language in ("zh", "zh-CN", "zh_Hant"):
        assert "tok:zh" in scores.signatures(REFERENCES, language)["bleu"]
    assert scores.bleu(["一二三四五"], [["一二三四六"]], "zh") > 30


def test_baselines_by_hand():
    rows = scores.baselines(
        ["a b c d e", "f"],
        [["a b c d e"], ["z z z z z"]],
        ["z z z z z"] * 2,
        "en",
    )
    assert rows["copy_source"]["exact_match"] == 0.5
    assert rows["most_frequent"]["exact_match"] == 0.5


def test_of_equally_frequent_sentences_the_first_by_name_is_taken():
    rows = scores.baselines(["x"], [["b"]], ["c", "b"], "en")
    assert rows["most_frequent"]["exact_match"] == 1
