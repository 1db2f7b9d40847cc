"""How generating apps decode: one set of flags, one search, one function.

    class Options(generation.Generation): ...   # the flags of `predict`
    search = options.search(config)             # what is unset: as in training
    decoded = generation.generate(step, state, search, max_length)
    rows = generation.hypotheses(decoded, tokenizer)

Letters of shapes: B batch, K hypotheses of an input, L most tokens.
"""

import dataclasses
import typing
from collections.abc import Callable

import numpy as np
from keras import ops

from apps.common import cli, decoding, minimum_bayes_risk
from data_pipelines.text.tokenizers import Tokenizer


@dataclasses.dataclass(frozen=True)
class Search:
    """How to decode; hashable, so that each has its own compiled function.

    Attributes:
        beam: Beam size, 1 for greedy decoding; an integer or a scalar tensor.
        mbr_samples: If not 0 the beam is reranked by minimum Bayes risk, on so
            many samples; see `minimum_bayes_risk`.
        n_best: How many hypotheses are returned; an integer or a scalar tensor.
        sample: Whether to sample one output instead of searching.

    The others are as in `decoding`: `beam_search`, `sample` and `Rules`.
    """

    beam: int = 1
    length_penalty: float = 0.0
    mbr_samples: int = 0
    coverage_penalty: float = 0.0
    n_best: int = 1
    min_length: int = 1
    no_repeat_ngram: int = 0
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0


GREEDY = Search()


@dataclasses.dataclass(frozen=True)
class BeamSearch:
    """Flags of beam search, by default as in training."""

    beam: int = cli.flag(0, "beam size (0: as in training)", at_least=0)
    length_penalty: float = cli.flag(
        -1.0,
        "length penalty of beam search, larger favours longer outputs"
        " (-1: as in training)",
    )
    mbr_samples: int = cli.flag(
        -1,
        "rerank the beam by minimum Bayes risk on this many samples"
        " (0: off, -1: as in training)",
        at_least=-1,
    )

    def search(self, config) -> Search:
        """Return the `Search` of the flags; what is unset, as in training.

        Args:
            config: The configuration of the run, with `beam`,
                `length_penalty` and `mbr_samples`.

        Raises:
            UserError: Flags that exclude each other.
        """
        names = [field.name for field in dataclasses.fields(Search)]
        flags = {n: getattr(self, n) for n in names if hasattr(self, n)}
        search = Search(**flags)
        beam = self.beam or max(config.beam, search.n_best)
        if search.n_best > beam:
            raise cli.UserError(
                f"--n-best {search.n_best}: at most --beam, which is {beam}"
            )
        if search.sample and search.n_best > 1:
            raise cli.UserError("--sample draws one output; drop --n-best")
        if self.mbr_samples > 0 and (beam == 1 or search.sample):
            raise cli.UserError(
                f"--mbr-samples {self.mbr_samples} reranks the hypotheses of a"
                " beam; drop it, or --beam 1, or --sample"
            )
        as_trained = {
            name: getattr(config, name)
            for name in ("length_penalty", "mbr_samples")
            if getattr(self, name) == -1
        }
        return dataclasses.replace(search, beam=beam, **as_trained)


@dataclasses.dataclass(frozen=True)
class Generation(BeamSearch):
    """Flags of all that `generate` can do."""

    coverage_penalty: float = cli.flag(
        0.0,
        "coverage penalty of beam search, larger favours outputs that attend"
        " to the whole input (0: off)",
        at_least=0.0,
    )
    n_best: int = cli.flag(1, "outputs to print for each input", at_least=1)
    scores: bool = cli.flag(False, "print the score of each output")
    min_length: int = cli.flag(1, "shortest output, in tokens", at_least=0)
    no_repeat_ngram: int = cli.flag(
        0, "never repeat an n-gram of this length (0: off)", at_least=0
    )
    sample: bool = cli.flag(False, "sample instead of searching")
    temperature: float = cli.flag(
        1.0, "sampling temperature, lower is less random", at_least=0.01
    )
    top_k: int = cli.flag(
        0, "sample from the k most probable tokens (0: off)", at_least=0
    )
    top_p: float = cli.flag(
        1.0,
        "sample from the most probable tokens that together have this"
        " probability (1: off)",
        at_least=0.0,
    )
    seed: int = cli.flag(0, "random seed of --sample", at_least=0, below=2**32)


class Hypothesis(typing.NamedTuple):
    """One output: readable text, its score, and its tokens with the end."""

    text: str
    score: float
    tokens: np.ndarray


def generate(
    step: Callable,
    state,
    search: Search,
    max_length: int,
    attention: Callable | None = None,
) -> decoding.Decoded:
    """Decode a batch by the way that a `Search` describes.

    Args:
        step: As in `decoding`.
        state: Nest of tensors `(B, ...)`, at least one.
        search: The `Search`.
        max_length: L, the end counted.
        attention: Function of the state to the attention weights of the step
            that returned it, if the model has any.

    Returns:
        `decoding.Decoded` of `(B, K, ...)`, the best first.

    Raises:
        UserError: A coverage penalty for a model without attention.
    """
    rules = decoding.Rules(
        Tokenizer.BEGIN,
        Tokenizer.END,
        max_length,
        search.min_length,
        (Tokenizer.PADDING, Tokenizer.UNKNOWN, Tokenizer.BEGIN),
        search.no_repeat_ngram,
    )
    if search.sample:
        decoded = decoding.sample(
            step,
            state,
            rules,
            seed=search.seed,
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
    samples = minimum_bayes_risk.sample(step, state, rules, search.mbr_samples)
    return minimum_bayes_risk.rerank(decoded, samples, rules, search.n_best)


def hypotheses(
    decoded: decoding.Decoded, tokenizer: Tokenizer
) -> list[list[Hypothesis]]:
    """Return the hypotheses of each input as text, the best first."""
    tokens, lengths, scores, _ = map(np.asarray, decoded)  # B K L, B K, B K
    return [
        [
            Hypothesis(tokenizer.decode(row[:length]), score, row[:length])
            for row, length, score in zip(*parts, strict=True)
            if length
        ]
        for parts in zip(tokens, lengths, scores.tolist(), strict=True)
    ]
