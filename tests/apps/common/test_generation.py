"""Flags, and the way of decoding that they choose."""

import dataclasses
import types

import numpy as np
import pytest
from keras import ops

from apps.common import cli, decoding, generation, minimum_bayes_risk
from apps.common.search import GREEDY, BeamSearch, Generation, Search
from data_pipelines.text.tokenizers import Tokenizer

CONFIG = types.SimpleNamespace(beam=4, length_penalty=0.3, mbr_samples=6)
B, L, V = 3, 5, 8


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, Search(4, 0.3, 6)),
        ({"mbr_samples": 0, "beam": 2}, Search(2, 0.3)),
        ({"mbr_samples": 5, "n_best": 7}, Search(7, 0.3, 5, n_best=7)),
        ({"length_penalty": 0.0, "top_k": 2}, Search(4, 0.0, 6, top_k=2)),
        ({"sample": True, "seed": 9}, Search(4, 0.3, 6, sample=True, seed=9)),
        ({"coverage_penalty": 0.5}, Search(4, 0.3, 6, 0.5)),
    ],
)
def test_what_is_unset_is_as_in_training(flags, expected):
    assert Generation(**flags).search(CONFIG) == expected


def test_the_flags_of_evaluate_are_those_of_beam_search():
    assert BeamSearch().search(CONFIG) == Search(4, 0.3, 6)
    names = {field.name for field in dataclasses.fields(Search)}
    assert names <= {field.name for field in dataclasses.fields(Generation)}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"beam": 2, "n_best": 3}, "--n-best 3: at most --beam, which is 2"),
        ({"sample": True, "n_best": 2}, "--sample draws one output"),
        ({"sample": True, "mbr_samples": 3}, "--mbr-samples 3 .* drop it, or"),
        ({"beam": 1, "mbr_samples": 3}, "--mbr-samples 3 .* drop it, or"),
    ],
)
def test_flags_that_exclude_each_other_are_refused(flags, message):
    with pytest.raises(cli.UserError, match=message):
        Generation(**flags).search(CONFIG)


@pytest.fixture(scope="module")
def model():
    """A step over random tables, and its first state."""
    random = np.random.default_rng(3)
    tables = ops.convert_to_tensor(
        random.normal(size=(B * V, V)).astype("float32") * 2
    )

    def step(tokens, state):
        rows = state["row"] * V + ops.cast(tokens, "int32")
        weights = ops.one_hot(tokens, V)
        return ops.take(tables, rows, axis=0), {**state, "weights": weights}

    state = {
        "row": ops.arange(B, dtype="int32"),
        "weights": ops.zeros((B, V)),
    }
    return step, state


def rules(**options):
    banned = Tokenizer.PADDING, Tokenizer.UNKNOWN, Tokenizer.BEGIN
    return decoding.Rules(
        Tokenizer.BEGIN, Tokenizer.END, L, 1, banned, **options
    )


def same(decoded, expected):
    for ours, theirs in zip(decoded, expected, strict=True):
        np.testing.assert_allclose(
            np.asarray(ours), np.asarray(theirs), rtol=1e-6
        )


def with_one_hypothesis(decoded):
    return [np.asarray(x)[:, None] for x in decoded]


def test_greedy_decoding(model):
    decoded = generation.generate(*model, GREEDY, L)
    same(decoded, with_one_hypothesis(decoding.greedy(*model, rules())))


def test_sampling(model):
    search = Search(sample=True, temperature=2.0, top_k=4, top_p=0.9, seed=5)
    expected = decoding.sample(
        *model, rules(), seed=5, temperature=2.0, top_k=4, top_p=0.9
    )
    decoded = generation.generate(*model, search, L)
    same(decoded, with_one_hypothesis(expected))


def test_beam_search_with_every_rule(model):
    search = Search(3, 0.7, n_best=2, no_repeat_ngram=1, coverage_penalty=0.2)

    def attention(state):
        return state["weights"]

    expected = decoding.beam_search(
        *model,
        rules(no_repeat_ngram=1),
        beam=3,
        n_best=2,
        length_penalty=0.7,
        coverage_penalty=0.2,
        attention=attention,
    )
    same(generation.generate(*model, search, L, attention), expected)
    with pytest.raises(cli.UserError, match="this model has no attention"):
        generation.generate(*model, search, L)


def test_minimum_bayes_risk_reranks_the_whole_beam(model):
    search = Search(4, 0.7, mbr_samples=20, n_best=2)
    beam = decoding.beam_search(
        *model, rules(), beam=4, n_best=4, length_penalty=0.7
    )
    samples = minimum_bayes_risk.sample(*model, rules(), 20)
    expected = minimum_bayes_risk.rerank(beam, samples, rules(), 2)
    same(generation.generate(*model, search, L), expected)


def test_hypotheses_are_text_and_missing_ones_are_left_out():
    tokenizer = types.SimpleNamespace(decode=lambda row: row.tolist())
    tokens = np.array([[[5, 6, 3], [7, 3, 0]], [[3, 0, 0], [0, 0, 0]]])
    lengths = np.array([[3, 2], [1, 0]])
    scores = np.array([[-0.5, -1.5], [-2.0, -np.inf]])
    decoded = decoding.Decoded(tokens, lengths, scores, scores)
    rows = generation.hypotheses(decoded, tokenizer)
    assert [[h.text for h in row] for row in rows] == [
        [[5, 6, 3], [7, 3]],
        [[3]],
    ]
    assert [[h.score for h in row] for row in rows] == [[-0.5, -1.5], [-2.0]]


def test_a_served_beam_of_one_is_greedy_and_not_reranked(model):
    beam = ops.convert_to_tensor(1)
    search = Search(beam, mbr_samples=4, n_best=beam)
    served = generation.generate(*model, search, L)
    greedy = generation.generate(*model, GREEDY, L)
    np.testing.assert_array_equal(served.tokens, greedy.tokens)
    np.testing.assert_allclose(served.scores, greedy.scores, rtol=1e-5)
