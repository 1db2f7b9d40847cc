"""How generating apps decode: one set of flags for all, light to import.

class Options(search.Generation): ...   # the flags of `predict`
search = options.search(config)         # what is unset: as in training
"""

import dataclasses
from collections.abc import Iterator

from apps.common import cli

# Flags of all that samples.
TEMPERATURE = cli.flag(
    1.0,
    "sampling temperature, lower is less random",
    at_least=0.01,
    at_most=100.0,
)
TOP_K = cli.flag(
    0,
    "sample from the k most probable tokens (0: off)",
    at_least=0,
    at_most=1_000_000,
)
TOP_P = cli.flag(
    1.0,
    "sample from the most probable tokens that together have this"
    " probability (1: off)",
    at_least=0.0,
    at_most=1.0,
)


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

    beam: int = cli.flag(
        0, "beam size (0: as in training)", at_least=0, at_most=256
    )
    length_penalty: float = cli.flag(
        -1.0,
        "length penalty of beam search, larger favours longer outputs"
        " (-1: as in training)",
        at_least=-1.0,
        at_most=100.0,
    )
    mbr_samples: int = cli.flag(
        -1,
        "rerank the beam by minimum Bayes risk on this many samples"
        " (0: off, -1: as in training)",
        at_least=-1,
        at_most=1000,
    )

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        if self.beam == 1:
            yield "length_penalty mbr_samples", "with --beam 1"

    def search(self, config) -> Search:
        """Return the `Search` of the flags; what is unset, as in training.

        Args:
            config: The configuration of the run, with `beam`,
                `length_penalty` and `mbr_samples`.

        Raises:
            UserError: Flags that exclude each other.
        """
        search = self._as_said()
        beam = self.beam or max(config.beam, search.n_best)
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

    def _as_said(self):
        """Return the `Search` of the flags alone; refuse too many outputs."""
        names = [field.name for field in dataclasses.fields(Search)]
        flags = {n: getattr(self, n) for n in names if hasattr(self, n)}
        search = Search(**flags)
        if 0 < search.beam < search.n_best:
            raise cli.UserError(
                f"--n-best {search.n_best}: at most --beam, which is"
                f" {search.beam}"
            )
        if search.sample and search.n_best > 1:
            raise cli.UserError("--sample draws one output; drop --n-best")
        return search


@dataclasses.dataclass(frozen=True)
class Generation(BeamSearch):
    """Flags of all that `generate` can do."""

    coverage_penalty: float = cli.flag(
        0.0,
        "coverage penalty of beam search, larger favours outputs that attend"
        " to the whole input (0: off)",
        at_least=0.0,
        at_most=100.0,
    )
    n_best: int = cli.flag(
        1, "outputs to print for each input", at_least=1, at_most=256
    )
    scores: bool = cli.flag(False, "print the score of each output")
    min_length: int = cli.flag(
        1, "shortest output, in tokens", at_least=0, at_most=10_000
    )
    no_repeat_ngram: int = cli.flag(
        0,
        "never repeat an n-gram of this length (0: off)",
        at_least=0,
        at_most=1000,
    )
    sample: bool = cli.flag(False, "sample instead of searching")
    temperature: float = TEMPERATURE
    top_k: int = TOP_K
    top_p: float = TOP_P
    seed: int = cli.flag(0, "random seed of --sample", at_least=0, below=2**32)

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()
        if self.beam == 1:
            yield "coverage_penalty", "with --beam 1"
        if self.sample:
            names = "beam length_penalty mbr_samples coverage_penalty n_best"
            yield names, "with --sample"
        else:
            yield "temperature top_k top_p seed", "without --sample"

    def check(self) -> None:
        """Refuse more outputs than the beam has."""
        super().check()
        self._as_said()
