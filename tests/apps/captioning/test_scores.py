"""Scores of captions, by the equations of their papers."""

import math
import random
import shutil

import numpy as np
import pytest

from apps.captioning import scores
from apps.captioning.tokens import tokenized

needs_java = pytest.mark.skipif(
    shutil.which("java") is None, reason="the reference tokenizer is in Java"
)


def ngrams(words, n):
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def paper_bleu(outputs, references, longest):
    """Papineni et al. 2002, sections 2.1 to 2.3."""
    precisions = []
    for n in range(1, longest + 1):
        clipped = total = 0
        for output, several in zip(outputs, references, strict=True):
            found = ngrams(output, n)
            total += len(found)
            for gram in set(found):
                most = max(ngrams(r, n).count(gram) for r in several)
                clipped += min(found.count(gram), most)
        precisions.append(clipped / total)
    c = sum(map(len, outputs))
    r = sum(
        min((abs(len(x) - len(output)), len(x)) for x in several)[1]
        for output, several in zip(outputs, references, strict=True)
    )
    brevity = 1 if c > r else math.exp(1 - r / c)
    return 100 * brevity * math.prod(precisions) ** (1 / longest)


def common(a, b):
    """Length of the longest common subsequence, by its definition."""
    if not a or not b:
        return 0
    if a[-1] == b[-1]:
        return 1 + common(a[:-1], b[:-1])
    return max(common(a[:-1], b), common(a, b[:-1]))


def paper_rouge_l(outputs, references, beta=1.2):
    """Lin 2004, equations 2 to 4, the best over several references."""
    total = 0
    for output, several in zip(outputs, references, strict=True):
        lengths = [common(output, r) for r in several]
        recall = max(x / len(r) for x, r in zip(lengths, several, strict=True))
        precision = max(x / len(output) for x in lengths)
        if recall and precision:
            total += ((1 + beta**2) * recall * precision) / (
                recall + beta**2 * precision
            )
    return total / len(outputs)


def paper_cider_d(outputs, references, sigma=6):
    """Vedantam et al. 2015, equations 1 to 3 and that of CIDEr-D."""
    pictures = len(outputs)

    def weights(words, n):
        found = ngrams(words, n)
        result = {}
        for gram in set(found):
            having = sum(
                any(gram in ngrams(r, n) for r in several)
                for several in references
            )
            result[gram] = found.count(gram) * math.log(
                pictures / max(1, having)
            )
        return result

    def length(vector):
        return math.sqrt(sum(x * x for x in vector.values()))

    total = 0
    for output, several in zip(outputs, references, strict=True):
        for n in range(1, 5):
            g_c = weights(output, n)
            for reference in several:
                g_s = weights(reference, n)
                product = sum(
                    min(g_c[k], g_s[k]) * g_s[k] for k in g_c if k in g_s
                )
                if product:
                    product /= length(g_c) * length(g_s)
                gap = len(output) - len(reference)
                product *= math.exp(-(gap**2) / (2 * sigma**2))
                total += 10 * product / len(several) / 4 / pictures
    return total


def random_captions(seed, pictures=12):
    """Captions of a few words, so that many n-grams are shared."""
    chance = random.Random(seed)
    words = ["a", "dog", "cat", "runs", "on", "the", "red", "grass"]

    def caption():
        return [chance.choice(words) for _ in range(chance.randint(4, 9))]

    outputs = [caption() for _ in range(pictures)]
    references = []
    for output in outputs:
        near = [w for w in output if chance.random() < 0.8] + ["grass"]
        more = [caption() for _ in range(chance.randint(0, 4))]
        references.append([output[:4] + near, *more])
    return outputs, references


def texts(outputs, references):
    return (
        [" ".join(words) for words in outputs],
        [[" ".join(words) for words in several] for several in references],
    )


@pytest.mark.parametrize("seed", range(6))
def test_scores_are_those_of_the_papers(seed):
    outputs, references = random_captions(seed)
    found = scores.scores(*texts(outputs, references))
    expected = {
        f"bleu_{n}": paper_bleu(outputs, references, n) for n in range(1, 5)
    }
    expected["rouge_l"] = paper_rouge_l(outputs, references)
    expected["cider"] = paper_cider_d(outputs, references)
    assert found == pytest.approx(expected, rel=1e-6)
    assert list(found) == list(expected)
    assert all(type(value) is float for value in found.values())


def test_short_outputs_pay_by_the_reference_of_closest_length():
    outputs = ["a b c", "a b c d e"]
    references = [["a b c d", "a b c d e f"], ["a b c", "a b c d e f g"]]
    found = scores.scores(outputs, references)
    # Lengths 3 and 5 against 4 and 3 (of the equally close the shorter).
    assert found["bleu_1"] == pytest.approx(100)
    longer = scores.scores(outputs, [references[0], references[1][1:]])
    assert longer["bleu_1"] == pytest.approx(100 * math.exp(1 - 11 / 8))


def test_published_values_of_the_reference_scorer():
    """Two sentences and their scores from the documentation of aac-metrics.

    https://aac-metrics.readthedocs.io, "Usage", which gives the scores of the
    COCO scorer with its PTB words.
    """
    outputs = ["a man is speaking", "rain falls"]
    references = [
        [
            "a man speaks.",
            "someone speaks.",
            "a man is speaking while a bird is chirping in the background",
        ],
        ["rain is falling hard on a surface"],
    ]
    found = scores.scores(outputs, references)
    assert found["bleu_1"] / 100 == pytest.approx(0.4278, abs=5e-5)
    assert found["cider"] == pytest.approx(0.9614, abs=5e-5)


def test_case_and_punctuation_do_not_count():
    outputs, references = texts(*random_captions(7))
    shouted = [f"{text.upper()} !" for text in outputs]
    assert scores.scores(shouted, references) == scores.scores(
        outputs, references
    )


@pytest.mark.parametrize(
    ("outputs", "references"),
    [
        (["", ""], [["a dog"], ["a cat", "two cats"]]),
        (["", "a cat"], [["a dog"], ["a cat", "two cats"]]),
        (["a dog runs on grass"], [["a dog runs on grass"]]),
        (["a dog runs on grass"] * 3, [["a dog runs on grass"]] * 3),
        (["a", "b"], [["c"], ["d"]]),
        (["a", "b"], [["..."], ["!", "?"]]),
        (["..."], [["..."]]),
    ],
)
def test_the_odd_is_scored_without_trouble(outputs, references, capsys):
    found = scores.scores(outputs, references)
    assert all(math.isfinite(value) for value in found.values())
    assert all(0 <= found[f"bleu_{n}"] <= 100 for n in range(1, 5))
    assert 0 <= found["rouge_l"] <= 1
    assert 0 <= found["cider"] <= 10
    assert capsys.readouterr() == ("", "")


def test_a_perfect_output_has_the_most():
    outputs = ["a dog runs on the grass", "two cats sleep in a bed"]
    found = scores.scores(outputs, [[text] for text in outputs])
    assert found["bleu_4"] == pytest.approx(100)
    assert found["rouge_l"] == pytest.approx(1)
    assert found["cider"] == pytest.approx(10)


def test_what_cannot_be_scored_is_named():
    with pytest.raises(ValueError, match="no captions to score"):
        scores.scores([], [])
    with pytest.raises(ValueError, match="picture 1 has no reference"):
        scores.scores(["a", "b"], [["a"], []])
    with pytest.raises(ValueError, match="shorter"):
        scores.scores(["a", "b"], [["a"]])


@pytest.mark.slow
@needs_java
def test_meteor_where_java_is():
    outputs, references = texts(*random_captions(3))
    assert "meteor" not in scores.scores(outputs, references)
    found = scores.scores(outputs, references, meteor=True)["meteor"]
    best = scores.scores(outputs, [[o] for o in outputs], meteor=True)
    assert 0 < found < best["meteor"] == pytest.approx(1, abs=0.01)


def test_without_java_there_is_no_meteor(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "meteor" not in scores.scores(["a"], [["a"]], meteor=True)


def test_signatures_say_what_was_done():
    found = scores.signatures()
    assert list(found) == ["bleu", "rouge_l", "cider"]
    assert all(line.startswith("pycocoevalcap 1") for line in found.values())
    assert "closest reference length" in found["bleu"]


def test_the_most_frequent_caption():
    captions = ["b", "a", "b", "a", "c"]
    assert scores.most_frequent(captions) == "a"
    assert scores.most_frequent([*captions, "b"]) == "b"


def test_people_are_scored_against_each_other():
    outputs, references = texts(*random_captions(5))
    references = [
        [output, *several]
        for output, several in zip(outputs, references, strict=True)
    ]
    several = [r for r in references if len(r) > 1]
    totals, count = dict.fromkeys(scores.scores(["a"], [["a"]]), 0.0), 0
    for turn in range(10):
        now = [r for r in several if turn < len(r)]
        if not now:
            continue
        one = scores.scores(
            [r[turn] for r in now],
            [[x for i, x in enumerate(r) if i != turn] for r in now],
        )
        count += len(now)
        totals = {k: totals[k] + one[k] * len(now) for k in one}
    expected = {k: total / count for k, total in totals.items()}
    assert scores.human(references) == pytest.approx(expected)
    assert scores.human([*references, ["alone"]]) == pytest.approx(expected)
    assert scores.human([["alone"]]) == {}


def test_people_who_agree_agree():
    captions = ["a dog runs on the grass", "two cats sleep in a bed"]
    found = scores.human([[text] * 3 for text in captions])
    assert found["bleu_4"] == pytest.approx(100)
    assert found["cider"] == pytest.approx(10)


def test_the_nearest_picture_is_that_of_the_largest_cosine():
    chance = np.random.default_rng(0)
    train = chance.normal(size=(11, 5)).astype("float16")
    test = chance.normal(size=(7, 5)).astype("float32")
    test[3] = 40 * train[6]
    found = scores.nearest_captions(
        train, [[f"n {i}"] for i in range(11)], test
    )
    for output, vector in zip(found, test.astype(float), strict=True):
        cosines = [
            sum(a * b for a, b in zip(vector, row, strict=True))
            / math.hypot(*vector)
            / math.hypot(*row)
            for row in train.astype(float)
        ]
        assert output == f"n {cosines.index(max(cosines))}"
    assert found[3] == "n 6"


def test_vectors_of_zeros_are_no_trouble():
    train = np.array([[0.0, 0.0], [1.0, 0.0]])
    test = np.array([[2.0, 1.0], [0.0, 0.0]])
    found = scores.nearest_captions(train, [["zero"], ["one"]], test)
    assert found == ["one", "zero"]


def test_the_consensus_is_the_caption_that_agrees_best():
    captions = ["Somebody sleeps.", "A dog runs.", "A dog runs fast.", "Grass"]
    expected = max(
        captions,
        key=lambda text: paper_rouge_l(
            [tokenized(text).split()],
            [[tokenized(x).split() for x in captions if x != text]],
        ),
    )
    assert scores.consensus(captions) == expected
    assert expected.startswith("A dog")
    assert scores.consensus(["alone"]) == "alone"
    assert scores.consensus(["same", "same"]) == "same"
