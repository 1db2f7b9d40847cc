"""Decoding against exhaustive search over tables that change with time."""

import functools
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from apps.common import decoding
from apps.common.decoding import Rules

BEGIN, END, V, L, B = 1, 2, 4, 4, 3
RULES = Rules(BEGIN, END, L)


@pytest.fixture(scope="module", params=[0, 1])
def tables(request):
    """`(B, L, V, V)`: what follows each token at each time in each row."""
    random = np.random.default_rng(request.param)
    return random.normal(size=(B, L, V, V)).astype("float32") * 2


def stepper(tables):
    """Returns a step that reads the tables, and its first state."""
    steps = tables.shape[1]
    logits = ops.convert_to_tensor(tables.reshape(-1, V))

    def step(tokens, state):
        place = (state["row"] * steps + state["time"]) * V + tokens
        return ops.take(logits, place, axis=0), {
            "row": state["row"],
            "time": state["time"] + 1,
            "weights": ops.one_hot(tokens, V),
        }

    rows = len(tables)
    return step, {
        "row": ops.arange(rows, dtype="int32"),
        "time": ops.zeros(rows, "int32"),
        "weights": ops.zeros((rows, V)),
    }


def log_softmax(x):
    x = np.float64(x)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def every(table, rules=RULES, length_penalty=0.0, coverage_penalty=0.0):
    """All outcomes of one row with their scores, the best first."""
    log_probabilities = log_softmax(table)
    found = []
    for length in range(1, rules.max_length + 1):
        for tokens in itertools.product(range(V), repeat=length):
            ended = tokens[-1] == rules.end
            if rules.end in tokens[:-1]:
                continue
            if not ended and length < rules.max_length:
                continue
            if ended and length - 1 < rules.min_length:
                continue
            if set(tokens) & set(rules.banned):
                continue
            if repeats(tokens, rules.no_repeat_ngram):
                continue
            before = (rules.begin, *tokens[:-1])
            total = sum(
                log_probabilities[t, last, token]
                for t, (last, token) in enumerate(
                    zip(before, tokens, strict=True)
                )
            )
            counts = np.bincount(before, minlength=V)
            coverage = np.log(np.minimum(counts[counts > 0], 1)).sum()
            score = total / ((5 + length) / 6) ** length_penalty
            found.append((score + coverage_penalty * coverage, total, tokens))
    return sorted(found, reverse=True)


def repeats(tokens, size):
    runs = [tokens[i : i + size] for i in range(len(tokens) - size + 1)]
    return bool(size) and len(set(runs)) < len(runs)


def run(function, *arguments, **options):
    """Calls a way of decoding; what it returns is given as arrays."""
    found = function(*arguments, **options)
    return decoding.Decoded(*map(ops.convert_to_numpy, found))


def read(tokens, lengths):
    return tuple(np.asarray(tokens)[: int(lengths)].tolist())


EVERYTHING = [
    {},
    {"min_length": 2},
    {"banned": (0,)},
    {"banned": (0, BEGIN)},
    {"no_repeat_ngram": 1},
    {"no_repeat_ngram": 2},
    {"no_repeat_ngram": 9},
    {"max_length": 1},
    {"max_length": 2, "min_length": 1},
]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, -0.5])
@pytest.mark.parametrize("changes", EVERYTHING, ids=str)
def test_wide_beam_is_exhaustive_search(tables, changes, length_penalty):
    rules = Rules(BEGIN, END, **{"max_length": L, **changes})
    step, state = stepper(tables)
    found = run(
        decoding.beam_search,
        step,
        state,
        rules,
        beam=200,
        n_best=9,
        length_penalty=length_penalty,
    )
    for row, table in enumerate(tables):
        right = every(table, rules, length_penalty)[:9]
        there = int((found.scores[row] > -np.inf).sum())
        assert there == len(right)
        for place, (value, total, tokens) in enumerate(right):
            assert tokens == read(
                found.tokens[row, place], found.lengths[row, place]
            )
            np.testing.assert_allclose(
                [found.scores[row, place], found.log_probabilities[row, place]],
                [value, total],
                rtol=1e-5,
            )
        assert not found.lengths[row, there:].any()


def test_narrow_beam_by_brute_force(tables):
    """The same search, written as lists."""
    step, state = stepper(tables)
    found = run(decoding.beam_search, step, state, RULES, beam=2, n_best=2)
    for row, table in enumerate(tables):
        known = log_softmax(table)
        live, finished = [(0.0, ())], []
        for time in range(L):
            grown = [
                (total + known[time, (BEGIN, *y)[-1], token], (*y, token))
                for total, y in live
                for token in range(V)
            ]
            grown.sort(reverse=True)
            ended = [g for g in grown[:2] if g[1][-1] == END]
            finished += [(s / ((6 + time) / 6), y) for s, y in ended]
            live = [g for g in grown if g[1][-1] != END][:2]
            if len(finished) >= 2:
                break
        else:
            finished += [(s / ((5 + L) / 6), y) for s, y in live]
        finished.sort(reverse=True)
        for place, (value, y) in enumerate(finished[:2]):
            assert y == read(
                found.tokens[row, place], found.lengths[row, place]
            )
            assert float(found.scores[row, place]) == pytest.approx(value)


def test_coverage_penalty_favours_rows_that_look_everywhere():
    # A step looks, by half, at the token it reads. The likeliest row, 3 0,
    # reads 1 3 0 and leaves half of three places out; 3 3 half of one.
    table = np.full((1, 3, V, V), -9.0, "float32")
    table[0, 0, BEGIN, 3] = 0
    table[0, 1, 3, [3, 0]] = -0.1, 0
    table[0, 2, [0, 3], END] = 0
    step, state = stepper(table)

    def half(tokens, state):
        logits, state = step(tokens, state)
        return logits, {**state, "weights": state["weights"] * 0.5}

    def best(coverage_penalty):
        return run(
            decoding.beam_search,
            half,
            state,
            Rules(BEGIN, END, 3),
            beam=50,
            coverage_penalty=coverage_penalty,
            length_penalty=0.0,
            attention=lambda state: state["weights"],
        )

    assert best(0.0).tokens[0, 0].tolist() == [3, 0, END]
    found = best(1.0)
    assert found.tokens[0, 0].tolist() == [3, 3, END]
    expected = float(found.log_probabilities[0, 0]) + np.log(0.5)
    assert float(found.scores[0, 0]) == pytest.approx(expected)


@pytest.mark.parametrize("changes", EVERYTHING[:-2], ids=str)
def test_beam_of_one_is_greedy(tables, changes):
    rules = Rules(BEGIN, END, L, **changes)
    step, state = stepper(tables)
    greedy = run(decoding.greedy, step, state, rules)
    beam = run(decoding.beam_search, step, state, rules, beam=1)
    np.testing.assert_array_equal(greedy.tokens, beam.tokens[:, 0])
    np.testing.assert_array_equal(greedy.lengths, beam.lengths[:, 0])
    np.testing.assert_allclose(
        greedy.log_probabilities, beam.log_probabilities[:, 0], rtol=1e-6
    )


def test_greedy_takes_the_best_token_each_time(tables):
    step, state = stepper(tables)
    found = run(decoding.greedy, step, state, RULES)
    for row, table in enumerate(tables):
        tokens, last = [], BEGIN
        while len(tokens) < L and last != END:
            last = int(table[len(tokens), last].argmax())
            tokens.append(last)
        assert tuple(tokens) == read(found.tokens[row], found.lengths[row])
        assert not found.tokens[row][len(tokens) :].any()


def ways():
    return {
        "greedy": decoding.greedy,
        "beam": lambda *a: decoding.beam_search(*a, beam=3, n_best=3),
    }


@pytest.mark.parametrize("way", ways())
def test_batch_equals_its_rows(tables, way):
    decode = functools.partial(run, ways()[way])
    step, state = stepper(tables)
    together = decode(step, state, RULES)
    for row in range(B):
        alone = decode(
            step, {k: x[row : row + 1] for k, x in state.items()}, RULES
        )
        for one, all_rows in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], all_rows[row], rtol=1e-6)


@pytest.mark.parametrize("way", ways())
def test_forced_decoding_gives_the_same_numbers(tables, way):
    step, state = stepper(tables)
    found = run(ways()[way], step, state, RULES)
    tokens = found.tokens if way == "greedy" else found.tokens[:, 0]
    known = found.log_probabilities
    forced = run(decoding.score, step, state, tokens, RULES)
    np.testing.assert_array_equal(forced.tokens, tokens)
    np.testing.assert_allclose(
        forced.log_probabilities,
        known if way == "greedy" else known[:, 0],
        rtol=1e-5,
    )


def test_score_ignores_what_stands_behind_the_end(tables):
    step, state = stepper(tables)
    given = np.array([[3, END, 3, 3]] * B, "int32")
    found = run(decoding.score, step, state, given, RULES)
    known = log_softmax(tables)
    right = known[:, 0, BEGIN, 3] + known[:, 1, 3, END]
    np.testing.assert_allclose(found.log_probabilities, right, rtol=1e-5)
    assert found.lengths.tolist() == [2] * B
    assert found.tokens.tolist() == [[3, END, 0, 0]] * B


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="of TensorFlow's graphs"
)
def test_compiled_with_the_beam_as_an_input(tables):
    tf = pytest.importorskip("tensorflow")
    step, state = stepper(tables)

    @tf.function
    def search(state, beam, penalty):
        return decoding.beam_search(
            step, state, RULES, beam=beam, n_best=beam, length_penalty=penalty
        )

    for beam in (1, 2, 5):
        found = search(state, tf.constant(beam), tf.constant(0.6))
        right = run(
            decoding.beam_search,
            step,
            state,
            RULES,
            beam=beam,
            n_best=beam,
            length_penalty=0.6,
        )
        for one, other in zip(found, right, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
    assert search.experimental_get_tracing_count() == 1


SAMPLING = [
    {},
    {"temperature": 0.5},
    {"top_k": 2},
    {"top_k": 9},
    {"top_p": 0.6},
    {"top_p": 0.0},
    {"temperature": 2.0, "top_k": 3, "top_p": 0.7},
]


def distribution(logits, temperature=1.0, top_k=V, top_p=1.0):
    """What is to be drawn from, by the definitions of the options."""
    right = np.exp(log_softmax(logits / temperature))
    order = np.argsort(-logits)
    right[order[top_k:]] = 0
    right /= right.sum()
    kept = np.cumsum(right[order]) - right[order] < top_p
    kept[0] = True
    right[order[~kept]] = 0
    return right / right.sum()


@pytest.mark.parametrize("options", SAMPLING, ids=str)
def test_samples_follow_the_model(options):
    """Frequencies of 20,000 draws lie within five standard deviations."""
    count = 20_000
    random = np.random.default_rng(3)
    table = random.normal(size=(1, 1, V, V)).astype("float32")
    step, _ = stepper(table)
    state = {
        "row": ops.zeros(count, "int32"),
        "time": ops.zeros(count, "int32"),
        "weights": ops.zeros((count, V)),
    }
    rules = Rules(BEGIN, END, 1)
    found = run(decoding.sample, step, state, rules, seed=5, **options)
    logits = np.float64(table[0, 0, BEGIN])
    right = distribution(logits, **options)
    shares = np.bincount(found.tokens[:, 0], minlength=V) / count
    spread = np.sqrt(right * (1 - right) / count)
    assert (np.abs(shares - right) <= 5 * spread).all()
    known = log_softmax(logits)[found.tokens[:, 0]]
    np.testing.assert_allclose(found.log_probabilities, known, rtol=1e-4)


def test_samples_are_of_their_seed(tables):
    step, state = stepper(np.zeros_like(np.repeat(tables, 9, axis=0)))

    def tokens(seed):
        return run(decoding.sample, step, state, RULES, seed=seed).tokens

    assert (tokens(1) == tokens(1)).all()
    assert (tokens(1) != tokens(2)).any()


def test_the_loop_stops_when_all_have_ended():
    table = np.zeros((2, 50, V, V), "float32")
    table[0, 1, :, END] = 50
    table[1, 4, :, END] = 50
    table[:, :, :, 3] += 20
    step, state = stepper(table)
    taken = []

    def counting(tokens, state):
        taken.append(1)  # eagerly, the loop runs as Python does
        return step(tokens, state)

    found = run(decoding.greedy, counting, state, Rules(BEGIN, END, 50))
    assert len(taken) == 5
    assert found.lengths.tolist() == [2, 5]
    taken.clear()
    run(decoding.beam_search, counting, state, Rules(BEGIN, END, 50), beam=1)
    assert len(taken) == 5


def test_state_follows_its_hypothesis(tables):
    """A state that remembers all its tokens agrees with the hypothesis."""
    inner, state = stepper(tables)

    def step(tokens, state):
        logits, after = inner(tokens, state["inner"])
        place = ops.cast(
            ops.arange(L) == state["inner"]["time"][:, None], "int32"
        )
        seen = state["seen"] + place * tokens[:, None]
        # The logits depend on everything seen, so a wrong order shows.
        weight = ops.cast(ops.sum(seen * [1, 3, 5, 7], axis=1), "float32")
        return logits * ops.sin(weight)[:, None], {"inner": after, "seen": seen}

    begin = {"inner": state, "seen": ops.zeros((B, L), "int32")}
    found = run(decoding.beam_search, step, begin, RULES, beam=3, n_best=3)
    for place in range(3):
        forced = run(decoding.score, step, begin, found.tokens[:, place], RULES)
        np.testing.assert_allclose(
            forced.log_probabilities,
            found.log_probabilities[:, place],
            rtol=1e-5,
        )
