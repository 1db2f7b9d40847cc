"""How generating apps decode: one function for all.

    search = options.search(config)             # flags: see `search`
    decoded = generation.generate(step, state, search, max_length)
    rows = generation.hypotheses(decoded, tokenizer)

Letters of shapes: B batch, K hypotheses of an input, L most tokens.
"""

import typing
from collections.abc import Callable, Sequence

import numpy as np
from keras import ops

from apps.common import cli, decoding, minimum_bayes_risk
from apps.common.search import Search
from data_pipelines.text.tokenizers import Tokenizer

# Tokens that no output has.
NEVER = (Tokenizer.PADDING, Tokenizer.UNKNOWN, Tokenizer.BEGIN)


class Hypothesis(typing.NamedTuple):
    """One output.

    Attributes:
        text: Readable.
        score: By which it is compared with others.
        tokens: With the end.
        log_probability: Of all of its tokens together.
    """

    text: str
    score: float
    tokens: np.ndarray
    log_probability: float


def generate(
    step: Callable,
    state,
    search: Search,
    max_length: int,
    attention: Callable | None = None,
    *,
    end: int = Tokenizer.END,
    chances=None,
) -> decoding.Decoded:
    """Decode a batch by the way that a `Search` describes.

    Args:
        step: As in `decoding`.
        state: Nest of tensors `(B, ...)`, at least one.
        search: The `Search`.
        max_length: L, the end counted.
        attention: Function of the state to the attention weights of the step
            that returned it, if the model has any.
        end: The token that ends an output; -1: none does.
        chances: Random numbers `(B, L)` to sample by instead of the seed.

    Returns:
        `decoding.Decoded` of `(B, K, ...)`, the best first.

    Raises:
        UserError: A coverage penalty for a model without attention.
    """
    rules = decoding.Rules(
        Tokenizer.BEGIN,
        end,
        max_length,
        search.min_length,
        NEVER,
        search.no_repeat_ngram,
    )
    if search.sample:
        decoded = decoding.sample(
            step,
            state,
            rules,
            seed=search.seed if chances is None else None,
            chances=chances,
            temperature=search.temperature,
            top_k=search.top_k,
            top_p=search.top_p,
        )
    elif isinstance(search.beam, int) and search.beam == 1:
        decoded = decoding.greedy(step, state, rules)
    else:
        return _beam_search(step, state, rules, search, attention)
    return decoding.Decoded(*(ops.expand_dims(x, 1) for x in decoded))


def _beam_search(step, state, rules, search, attention):
    if search.coverage_penalty and attention is None:
        raise cli.UserError(
            f"--coverage-penalty {search.coverage_penalty}: this model has no"
            " attention"
        )
    decoded = decoding.beam_search(
        step,
        state,
        rules,
        beam=search.beam,
        n_best=search.beam if search.mbr_samples else search.n_best,
        length_penalty=search.length_penalty,
        coverage_penalty=search.coverage_penalty,
        attention=attention,
    )
    if not search.mbr_samples:
        return decoded

    def reranked():
        samples = minimum_bayes_risk.sample(
            step, state, rules, search.mbr_samples
        )
        return minimum_bayes_risk.rerank(decoded, samples, rules, search.n_best)

    if isinstance(search.beam, int):
        return reranked()
    # A beam of one is greedy decoding, as in `generate`.
    return ops.cond(ops.equal(search.beam, 1), lambda: decoded, reranked)


def hypotheses(
    decoded: decoding.Decoded, tokenizer: Tokenizer
) -> list[list[Hypothesis]]:
    """Return the hypotheses of each input as text, the best first."""
    # B K L, B K, B K, B K
    tokens, lengths, scores, logs = map(np.asarray, decoded)
    numbers = scores.tolist(), logs.tolist()
    return [
        [
            Hypothesis(tokenizer.decode(row[:length]), score, row[:length], log)
            for row, length, score, log in zip(*parts, strict=True)
            if length
        ]
        for parts in zip(tokens, lengths, *numbers, strict=True)
    ]


def settings(
    length: int, begin: int = Tokenizer.BEGIN, end: int = Tokenizer.END
) -> dict:
    """Return what greedy decoding elsewhere has to know; see `onnx_greedy`."""
    return {
        "begin": begin,
        "end": end,
        "never": list(NEVER),
        "shortest": int(end >= 0),
        "length": length,
    }


def as_served(config, beam, length_penalty) -> Search:
    """Return the search of a request to a SavedModel, all hypotheses of it."""
    beam = int(beam)
    return Search(beam, float(length_penalty), config.mbr_samples, n_best=beam)


def as_arrays(
    rows: Sequence[Sequence[Hypothesis]], count: int
) -> dict[str, np.ndarray]:
    """Return `text` and `score` `(N, count)`, -inf where there are fewer."""
    text = np.full((len(rows), count), b"", object)
    score = np.full((len(rows), count), -np.inf, "float32")
    for number, row in enumerate(rows):
        for place, hypothesis in enumerate(row):
            text[number, place] = hypothesis.text.encode()
            score[number, place] = hypothesis.score
    return {"text": text, "score": score}
