"""Greedy decoding, sampling and beam search over one step of any model.

A step is a function

    step(tokens, state) -> (logits, state)

of the last tokens `(N,)` and a nest of tensors that begin with N, to logits
`(N, V)` and the new state. In beam search N is B times K, the hypotheses of
one sentence side by side, and the state is reordered after every step: keep
constants, like the memory that a decoder attends to, in the closure of the
step, not in the state. The `state` that decoding begins with is a nest of
tensors `(B, ...)`, at least one.

Each function here is one loop of `keras.ops`, over a whole batch, that ends
when every row has ended; call it inside a `tf.function` to compile it. It
returns the model's own log-probabilities: banned tokens are not chosen, but the
others do not become more probable.

Letters of shapes: B batch, K hypotheses of a sentence, N rows of a step, L
most tokens, V vocabulary, S source.
"""

import dataclasses
import typing
from collections.abc import Callable

import keras
from keras import ops

# Stands for the logarithm of zero; unlike -inf it can be added and compared.
NEVER = -1e9

Step = Callable[[keras.KerasTensor, typing.Any], tuple]


@dataclasses.dataclass(frozen=True)
class Rules:
    """The rules of every way of decoding.

    Attributes:
        begin: The token before the first one.
        end: The token that ends a row.
        max_length: Most tokens, `end` counted; an integer or a scalar tensor.
        min_length: Fewest tokens before `end`.
        banned: Tokens that are never chosen, such as padding and unknown.
        no_repeat_ngram: No run of so many tokens occurs twice in a row; 0:
            no such rule.
    """

    begin: int
    end: int
    max_length: int
    min_length: int = 0
    banned: tuple = ()
    no_repeat_ngram: int = 0


class Decoded(typing.NamedTuple):
    """The outputs; those of beam search have K after B, the best first.

    Attributes:
        tokens: `(B, L)` integers, `end` included where it was reached, zeros
            behind it.
        lengths: `(B,)` integers, `end` counted.
        scores: `(B,)`, by which hypotheses are compared.
        log_probabilities: `(B,)`, of all tokens of the row together.
    """

    tokens: keras.KerasTensor
    lengths: keras.KerasTensor
    scores: keras.KerasTensor
    log_probabilities: keras.KerasTensor


def greedy(step: Step, state, rules: Rules) -> Decoded:
    """Take the most probable token at every step.

    The scores are the log-probabilities.
    """
    return _walk(
        step, state, rules, lambda allowed, _: ops.argmax(allowed, axis=-1)
    )


def sample(
    step: Step,
    state,
    rules: Rules,
    *,
    seed: int | None = None,
    chances: keras.KerasTensor | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Decoded:
    """Sample every token from its distribution, or from its likeliest part.

    Args:
        step: See above.
        state: Nest of tensors `(B, ...)`, at least one.
        rules: The `Rules`.
        seed: Integer; the same one samples the same tokens.
        chances: Instead of it, random numbers `(B, L)` in [0, 1).
        temperature: Positive; logits are divided by it, so less than one makes
            likely tokens likelier.
        top_k: Sample from the so many likeliest tokens; 0: from all.
        top_p: Sample from the fewest likeliest tokens that have at least this
            probability together (Holtzman et al., 2020, "The curious case of
            neural text degeneration", section 3.1); 1: from all.

    Returns:
        `Decoded`; the scores are the log-probabilities.
    """
    if (seed is None) == (chances is None):
        raise ValueError("Either `seed` or `chances` is needed.")
    if chances is None:
        shape = ops.shape(keras.tree.flatten(state)[0])[0], rules.max_length
        chances = keras.random.uniform(shape, seed=seed)

    def choose(allowed, position):
        chance = ops.take(chances, position, axis=1)  # B
        return _sample(allowed / temperature, chance, top_k, top_p)

    return _walk(step, state, rules, choose)


def score(step: Step, state, tokens, rules: Rules) -> Decoded:
    """Return the log-probability of tokens, by teacher forcing.

    Args:
        step: See above.
        state: Nest of tensors `(B, ...)`, at least one.
        tokens: `(B, L)`; those behind the first `rules.end` are ignored.
        rules: The `Rules`; only `begin` and `end` matter.

    Returns:
        `Decoded`; its tokens are these, with zeros behind the end.
    """
    tokens = ops.cast(tokens, "int32")
    rules = Rules(rules.begin, rules.end, ops.shape(tokens)[1])
    return _walk(
        step, state, rules, lambda _, position: ops.take(tokens, position, 1)
    )


def beam_search(
    step: Step,
    state,
    rules: Rules,
    *,
    beam: int = 5,
    n_best: int = 1,
    length_penalty: float = 1.0,
    coverage_penalty: float = 0.0,
    attention: Callable | None = None,
) -> Decoded:
    """Keep the most probable hypotheses at every step.

    The score of a hypothesis y of n tokens is

        (1)  log p(y) / lp(n) + cp
        (2)  lp(n) = ((5 + n) / 6) ** length_penalty
        (3)  cp = coverage_penalty * sum_s log min(sum_t a_ts, 1)

    with a_ts the attention of token t to position s of the source: Wu et al.,
    2016, https://arxiv.org/abs/1609.08144, section 7, equation 14. A sentence
    has ended when `beam` hypotheses have; one ends when `end` is among the
    `beam` most probable continuations. So a beam of one is greedy decoding.

    Args:
        step: See above.
        state: Nest of tensors `(B, ...)`, at least one.
        rules: The `Rules`.
        beam: K, the beam size; an integer or a scalar tensor.
        n_best: How many are returned, at most K.
        length_penalty: Zero compares probabilities and favours short rows;
            larger favours longer ones. A number or a scalar tensor.
        coverage_penalty: Larger favours rows that attend to the whole source.
        attention: Function of the state to the weights `(N, S)` of the step
            that returned it, zero where the source is padding; needed for the
            coverage penalty.

    Returns:
        `Decoded` with tensors `(B, n_best, ...)`, the best first. Where there
        are fewer hypotheses than that, the score is -inf and the length 0.
    """
    search = _Beam(rules, beam, length_penalty, coverage_penalty, attention)

    def go_on(position, live, finished, state):
        more = ops.any(finished.count < beam)
        return ops.logical_and(position < rules.max_length, more)

    def advance(position, live, finished, state):
        logits, state = step(ops.reshape(live.last, (-1,)), state)
        return position + 1, *search.advance(
            position, live, finished, logits, state
        )

    position, live, finished, _ = _loop(go_on, advance, search.begin(state))
    return search.best(position, live, finished, n_best)


class _Live(typing.NamedTuple):
    """Hypotheses that have not ended."""

    tokens: keras.KerasTensor  # (B, K, L)
    last: keras.KerasTensor  # (B, K)
    log_probabilities: keras.KerasTensor  # (B, K)
    coverage: keras.KerasTensor  # (B, K, S)


class _Finished(typing.NamedTuple):
    """Hypotheses that have ended, the best first."""

    hypotheses: Decoded  # (B, K, ...)
    count: keras.KerasTensor  # (B,)


class _Beam:
    """The parts of beam search, with the arguments of `beam_search`."""

    def __init__(
        self, rules, beam, length_penalty, coverage_penalty, attention
    ):
        self.rules = rules
        self.beam = beam
        self.length_penalty = ops.cast(length_penalty, "float32")
        self.coverage_penalty = coverage_penalty
        self.attention = attention if coverage_penalty else None

    def begin(self, state):
        """Return the variables of the loop before the first step."""
        beam, length = self.beam, self.rules.max_length
        state = keras.tree.map_structure(
            lambda x: ops.repeat(ops.convert_to_tensor(x), beam, axis=0), state
        )
        rows = ops.shape(keras.tree.flatten(state)[0])[0]
        batch = rows // beam
        self.rows = ops.expand_dims(ops.arange(batch), 1)  # B 1
        width = 1  # of a coverage that is not used
        if self.attention:
            width = ops.shape(self.attention(state))[-1]
        # All hypotheses are alike at first: leave out all but one.
        first = ops.where(ops.arange(beam) == 0, 0.0, NEVER)
        nothing = ops.zeros((batch, beam), "int32")
        never = ops.full((batch, beam), NEVER, "float32")
        live = _Live(
            tokens=ops.zeros((batch, beam, length), "int32"),
            last=nothing + self.rules.begin,
            log_probabilities=ops.zeros_like(never) + first,
            coverage=ops.zeros((batch, beam, width)),
        )
        finished = _Finished(
            Decoded(live.tokens, nothing, never, never),
            ops.zeros((batch,), "int32"),
        )
        return 0, live, finished, state

    def advance(self, position, live, finished, logits, state):
        """Extend all hypotheses by a token and sort out those that end."""
        size = ops.shape(logits)[-1]
        rows = ops.reshape(live.tokens, (-1, self.rules.max_length))
        allowed = _allowed(_log_softmax(logits), rows, position, self.rules)
        total = ops.expand_dims(live.log_probabilities, -1) + ops.reshape(
            allowed, (-1, self.beam, size)
        )  # B K V
        # Twice the beam: half of them may end here.
        values, indices = ops.top_k(
            ops.reshape(total, (-1, self.beam * size)), 2 * self.beam
        )
        values = ops.maximum(values, NEVER)
        parents = ops.cast(indices // size, "int32")  # B 2K
        tokens = ops.cast(indices % size, "int32")
        if self.attention:
            weights = ops.reshape(
                ops.cast(self.attention(state), "float32"),
                ops.shape(live.coverage),
            )
            live = live._replace(coverage=live.coverage + weights)
        candidates = _Live(
            _put(self._pick(live.tokens, parents), tokens, position),
            tokens,
            values,
            self._pick(live.coverage, parents),
        )
        ends = tokens == self.rules.end
        likely = ops.arange(2 * self.beam) < self.beam
        finished = self._finish(
            finished, candidates, ops.logical_and(ends, likely), position + 1
        )
        live = candidates._replace(
            log_probabilities=ops.where(ends, NEVER, values)
        )
        _, chosen = ops.top_k(live.log_probabilities, self.beam)
        live = _Live(*(self._pick(x, chosen) for x in live))
        parents = self._pick(parents, chosen)
        return live, finished, self._reorder(state, parents)

    def best(self, position, live, finished, n_best):
        """Return the best hypotheses, those cut at `max_length` among them."""
        every = ops.ones_like(live.log_probabilities, dtype="bool")
        best, _ = self._finish(finished, live, every, position)
        exists = best.scores > NEVER / 2
        decoded = Decoded(
            best.tokens,
            ops.where(exists, best.lengths, 0),
            ops.where(exists, best.scores, -float("inf")),
            ops.where(exists, best.log_probabilities, -float("inf")),
        )
        return Decoded(*(x[:, :n_best] for x in decoded))

    def _finish(self, finished, candidates, ended, length):
        """Merge candidates that ended into the finished hypotheses."""
        open_rows = ops.expand_dims(finished.count < self.beam, 1)
        real = candidates.log_probabilities > NEVER / 2
        ended = ops.logical_and(ops.logical_and(ended, real), open_rows)
        scores = ops.where(ended, self._scores(candidates, length), NEVER)
        lengths = ops.full_like(candidates.last, length)
        new = Decoded(
            candidates.tokens, lengths, scores, candidates.log_probabilities
        )
        pairs = zip(finished.hypotheses, new, strict=True)
        joined = Decoded(*(ops.concatenate(pair, 1) for pair in pairs))
        _, chosen = ops.top_k(joined.scores, self.beam)
        return _Finished(
            Decoded(*(self._pick(x, chosen) for x in joined)),
            finished.count + ops.sum(ops.cast(ended, "int32"), axis=1),
        )

    def _scores(self, candidates, length):
        """Return equation (1) for candidates of `length` tokens."""
        length = ops.cast(length, "float32")
        penalty = ((5.0 + length) / 6.0) ** self.length_penalty
        scores = candidates.log_probabilities / penalty
        if not self.attention:
            return scores
        # Padding has no weight at all, and must not count as uncovered.
        coverage = candidates.coverage
        coverage = ops.where(coverage > 0, ops.minimum(coverage, 1.0), 1.0)
        coverage = ops.sum(ops.log(coverage), axis=-1)
        return scores + self.coverage_penalty * coverage

    def _pick(self, x, indices):
        """Return `x[b, indices[b]]`, `(B, ?, ...)` to `(B, P, ...)`."""
        count = ops.shape(x)[1]
        flat = ops.reshape(x, (-1, *ops.shape(x)[2:]))
        return ops.take(flat, self._flat(indices, count), axis=0)

    def _reorder(self, state, parents):
        """Return the state of the parents `(B, K)`, tensors `(N, ...)`."""
        indices = ops.reshape(self._flat(parents, self.beam), (-1,))
        return keras.tree.map_structure(
            lambda x: ops.take(x, indices, axis=0), state
        )

    def _flat(self, indices, count):
        rows = ops.cast(self.rows, "int32")
        return rows * count + ops.cast(indices, "int32")


def _walk(step, state, rules, choose):
    """Decode one token a step by `choose(log-probabilities, position)`."""
    batch_size = ops.shape(keras.tree.flatten(state)[0])[0]

    def go_on(position, tokens, last, ended, total, lengths, state):
        return ops.logical_and(
            position < rules.max_length, ops.logical_not(ops.all(ended))
        )

    def advance(position, tokens, last, ended, total, lengths, state):
        logits, state = step(last, state)
        log_p = _log_softmax(logits)
        chosen = choose(_allowed(log_p, tokens, position, rules), position)
        chosen = ops.where(ended, 0, ops.cast(chosen, "int32"))
        gained = ops.take_along_axis(log_p, ops.expand_dims(chosen, 1), 1)
        total = total + ops.where(ended, 0.0, ops.squeeze(gained, 1))
        lengths = lengths + ops.cast(ops.logical_not(ended), "int32")
        tokens = _put(tokens, chosen, position)
        ended = ops.logical_or(ended, chosen == rules.end)
        return position + 1, tokens, chosen, ended, total, lengths, state

    nothing = ops.zeros((batch_size,), "int32")
    _, tokens, _, _, total, lengths, _ = _loop(
        go_on,
        advance,
        (
            0,
            ops.zeros((batch_size, rules.max_length), "int32"),
            nothing + rules.begin,
            ops.zeros((batch_size,), "bool"),
            ops.zeros((batch_size,), "float32"),
            nothing,
            state,
        ),
    )
    return Decoded(tokens, lengths, total, total)


def _loop(go_on, advance, variables):
    """Run `ops.while_loop`, whose variables must keep their static shapes."""

    def body(*old):
        return keras.tree.map_structure(_same_shape, old, advance(*old))

    variables = keras.tree.map_structure(ops.convert_to_tensor, variables)
    return ops.while_loop(go_on, body, variables)


def _allowed(log_p, tokens, position, rules):
    """Return `log_p` `(N, V)`, `NEVER` where rules forbid a token."""
    vocabulary = ops.arange(ops.shape(log_p)[-1])  # V
    early = ops.cast(position < rules.min_length, "bool")
    forbidden = ops.logical_and(vocabulary == rules.end, early)
    for token in rules.banned:
        forbidden = ops.logical_or(forbidden, vocabulary == token)
    if rules.no_repeat_ngram:
        shape = ops.shape(log_p)
        repeats = _repeats(tokens, position, rules.no_repeat_ngram, shape)
        forbidden = ops.logical_or(forbidden, repeats)  # N V
    return ops.where(forbidden, NEVER, log_p)


def _repeats(tokens, position, size, shape):
    """Return which tokens would repeat an n-gram, boolean of shape `(N, V)`."""
    # Room for at least one n-gram, however short the rows are.
    tokens = ops.pad(tokens, ((0, 0), (0, size - 1)))
    rows, length = ops.shape(tokens)
    starts = length - size + 1
    # Does the n-gram that starts at i begin with the last size - 1 tokens?
    same = ops.arange(starts) + size <= position  # wholly in the past
    same = ops.broadcast_to(same, (rows, starts))
    for offset in range(size - 1):
        # Before there are enough tokens `same` is false everywhere.
        index = ops.maximum(position - size + 1 + offset, 0)
        last = ops.expand_dims(ops.take(tokens, index, axis=1), 1)
        earlier = tokens[:, offset : offset + starts]
        same = ops.logical_and(same, earlier == last)
    following = tokens[:, size - 1 :]  # N starts
    row = ops.broadcast_to(ops.expand_dims(ops.arange(rows), 1), (rows, starts))
    row = ops.cast(row, "int32")
    indices = ops.reshape(ops.stack([row, following], axis=-1), (-1, 2))
    counts = ops.scatter(
        indices, ops.reshape(ops.cast(same, "int32"), (-1,)), shape
    )
    return counts > 0


def _sample(logits, chance, top_k, top_p):
    """Return tokens `(B,)` sampled by random numbers `(B,)` in [0, 1)."""
    if not top_k and top_p == 1:
        return _sample_of_all(logits, chance)
    size = ops.shape(logits)[-1]
    count = min(top_k, size) if top_k else size
    logits, tokens = ops.top_k(logits, count)  # the likeliest first
    below = ops.cumsum(ops.softmax(logits, axis=-1), axis=-1)
    # The nucleus: tokens that begin below top_p, which the likeliest does.
    before = below - ops.softmax(logits, axis=-1)
    nucleus = ops.cast(before < top_p, "int32")
    count = ops.maximum(ops.sum(nucleus, axis=-1, keepdims=True), 1)
    whole = ops.take_along_axis(below, count - 1, axis=-1)
    index = ops.sum(
        ops.cast(below <= ops.expand_dims(chance, 1) * whole, "int32"),
        axis=-1,
        keepdims=True,
    )
    index = ops.minimum(index, count - 1)
    return ops.squeeze(ops.take_along_axis(tokens, index, axis=-1), 1)


def _sample_of_all(logits, chance):
    """Return tokens `(B,)` sampled from all, without sorting."""
    below = ops.cumsum(ops.softmax(logits, axis=-1), axis=-1)
    chance = ops.expand_dims(chance, 1) * below[:, -1:]
    return ops.sum(ops.cast(below <= chance, "int32"), axis=-1)


def _put(tokens, chosen, position):
    """Write the chosen tokens `(...)` into `(..., L)` at a position."""
    is_position = ops.arange(ops.shape(tokens)[-1]) == position
    return ops.where(is_position, ops.expand_dims(chosen, -1), tokens)


def _log_softmax(logits):
    return ops.log_softmax(ops.cast(logits, "float32"), axis=-1)


def _same_shape(old, new):
    """Return `new` with the static shape of `old`, as loops require."""
    if old.shape == new.shape:
        return new
    return ops.reshape(new, ops.shape(old))
