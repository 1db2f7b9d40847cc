"""N-gram models: sums, brute force, and what the papers say."""

import collections
import itertools
import math
import time

import numpy as np
import pytest

from apps.language_model import ngrams

SIZE = 9  # 0 padding, 1 unknown, 2 begin, 3 end, five words


def sentences(count=60, seed=0, size=SIZE):
    """Sentences of a chain of words, as tokens; no two lengths alike."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        word, row = 3, []
        while True:
            word = 3 + (word - 3 + int(random.geometric(0.45))) % (size - 3)
            row.append(word)
            if word == 3 or len(row) > 8:
                break
        rows.append(row)
    return rows


def block(rows, order):
    """One block of all rows, each begun by zeros and 2."""
    tokens, predicted = [0] * order, [0] * order
    for row in rows:
        tokens += [0] * (order - 1) + [2, *row]
        predicted += [0] * order + [1] * len(row)
    return np.array(tokens), np.array(predicted)


def counted(rows, order, size=SIZE):
    return ngrams.Counts.of(lambda: [block(rows, order)], order, size)


def distribution(model, context, order):
    """p of every token after a context, by the model."""
    chances = []
    for word in range(SIZE):
        tokens = np.array([0] * order + [*context, word])
        chances.append(math.exp(model.log_probabilities(tokens)[-1]))
    return np.array(chances)


CONTEXTS = [[2], [2, 4], [4, 5], [8, 8, 8], [1], [6], [5, 6, 7, 8], [3, 3]]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("build", [ngrams.kneser_ney, ngrams.katz])
@pytest.mark.parametrize("count", [2, 60, 3000])
def test_every_distribution_sums_to_one(build, order, count):
    model = build(counted(sentences(count), order), order)
    for context in CONTEXTS:
        chances = distribution(model, context, order)
        assert chances[[0, 2]].max() == 0
        assert chances.sum() == pytest.approx(1, abs=1e-9)
        assert (np.delete(chances, [0, 2]) > 0).all() or build is ngrams.katz


def kneser_ney_by_hand(rows, order, discount, word, context):
    """The formula of `nltk.lm`: one discount, sets of words before a word.

    Single words are not discounted.
    """
    grams = collections.Counter()
    for row in rows:
        padded = [0] * (order - 1) + [2, *row]
        for end in range(order, len(padded)):
            for n in range(1, order + 1):
                grams[tuple(padded[end - n + 1 : end + 1])] += 1

    def count(gram):
        if len(gram) == order:
            return grams[gram]
        return sum(1 for other in grams if other[1:] == gram)

    context = tuple(context)[len(context) - order + 1 :] if order > 1 else ()

    def probability(context):
        words = [count((*context, w)) for w in range(SIZE)]
        total = sum(words)
        if not context:
            return words[word] / total
        if not total:
            return probability(context[1:])
        own = max(words[word] - discount, 0) / total
        rest = discount * sum(w > 0 for w in words) / total
        return own + rest * probability(context[1:])

    return probability(context)


@pytest.mark.parametrize("order", [2, 3])
def test_one_discount_is_kneser_ney_by_hand(order):
    rows = sentences(25)
    discounts = np.full((order, 3), 0.4)
    discounts[0] = 0
    model = ngrams.kneser_ney(counted(rows, order), order, discounts)
    for context in ([4, 5], [8, 8], [3, 4]):
        chances = distribution(model, context, order)
        for word in range(3, SIZE):
            expected = kneser_ney_by_hand(rows, order, 0.4, word, context)
            assert chances[word] == pytest.approx(expected, abs=1e-12)


def test_discounts_are_those_of_chen_and_goodman():
    seen = np.repeat([1, 2, 3, 4, 9], [40, 20, 10, 6, 5])
    y = 40 / (40 + 2 * 20)
    expected = [1 - 2 * y * 20 / 40, 2 - 3 * y * 10 / 20, 3 - 4 * y * 6 / 10]
    np.testing.assert_allclose(ngrams.discounts_of(seen), expected)


def test_katz_by_hand():
    """Bigrams: the equations with loops over words."""
    rows = sentences(3000)
    model = ngrams.katz(counted(rows, 2), 2)
    words = collections.Counter(itertools.chain(*rows))
    pairs = collections.Counter(
        pair for row in rows for pair in itertools.pairwise([2, *row])
    )
    n = collections.Counter(pairs.values())
    total = sum(words.values())
    for first in (2, 4, 7):
        follow = {w: pairs[first, w] for w in range(SIZE) if pairs[first, w]}
        count = sum(follow.values())
        if all(n[r] for r in range(1, 7)):
            q = 6 * n[6] / n[1]

            def d(r, q=q):
                if r > 5:
                    return 1
                return ((r + 1) * n[r + 1] / n[r] / r - q) / (1 - q)
        else:

            def d(r):
                return 1 - 0.5 / r

        if all(d(r) == 1 for r in follow.values()):
            count += 1
        own = {w: d(r) * r / count for w, r in follow.items()}
        # The word that is not in the text shares what is left of words.
        lower = distribution(ngrams.katz(counted(rows, 1), 1), [], 1)
        rest = (1 - sum(own.values())) / (1 - sum(lower[w] for w in own))
        chances = distribution(model, [first], 2)
        for word in (1, *range(3, SIZE)):
            expected = own.get(word, rest * lower[word])
            assert chances[word] == pytest.approx(expected, abs=1e-9)
    assert total > 0


def test_blocks_count_as_the_whole():
    random = np.random.default_rng(1)
    tokens = random.integers(3, SIZE, 500)
    order = 4
    padded = np.concatenate([np.zeros(order, int), [3], tokens])
    predicted = np.ones(len(padded), int)
    predicted[: order + 1] = 0

    def parts():
        for start in range(order, len(padded), 70):
            part = slice(start - order, start + 70)
            weights = predicted[part].copy()
            weights[:order] = 0
            yield padded[part], weights

    whole = ngrams.Counts.of(lambda: [(padded, predicted)], order, SIZE)
    apart = ngrams.Counts.of(parts, order, SIZE)
    for one, other in zip(whole.tables, apart.tables, strict=True):
        seen = one.counts > 0
        np.testing.assert_array_equal(
            one.counts[seen], other.counts[other.counts > 0]
        )
    models = [ngrams.kneser_ney(counts, order) for counts in (whole, apart)]
    logs = [model.log_probabilities(padded)[order + 1 :] for model in models]
    np.testing.assert_allclose(*logs)


def test_the_cache_counts_the_words_before():
    tokens = np.random.default_rng(2).integers(0, 5, 200)
    expected = [
        np.mean(tokens[max(t - 30, 0) : t] == tokens[t]) if t else 0
        for t in range(200)
    ]
    np.testing.assert_allclose(ngrams.cache(tokens, 30), expected)


def test_the_weights_of_a_mixture_are_the_likeliest():
    random = np.random.default_rng(3)
    chances = random.dirichlet([1, 1, 2], 400).T[:2]
    weights = ngrams.mixture(chances, 300)
    best = max(
        np.linspace(0, 1, 1001),
        key=lambda w: np.log(w * chances[0] + (1 - w) * chances[1]).sum(),
    )
    assert weights.sum() == pytest.approx(1)
    assert weights[0] == pytest.approx(best, abs=2e-3)


@pytest.mark.slow
def test_a_million_words_take_seconds():
    random = np.random.default_rng(4)
    tokens = np.minimum(random.zipf(1.3, 1_000_000) + 3, 9_999)
    tokens[:5] = 0
    begin = time.process_time()
    counts = ngrams.Counts.of(
        lambda: [(tokens, np.ones(len(tokens)))], 5, 10_000
    )
    ngrams.kneser_ney(counts, 5).log_probabilities(tokens[:100_000])
    assert time.process_time() - begin < 30
