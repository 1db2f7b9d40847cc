"""What a search may change: `--vary units=64,128 learning_rate=1e-4..1e-2`.

    units=64,128,256           one of these
    cell=gru,lstm              so, too: names, true and false
    learning_rate=1e-4..1e-2   any number from the first to the last
    depth=1..3                 any whole number, if the flag takes whole ones

A range whose last number is more than ten times its first one is searched by
the logarithm: a rate of 1e-4 to 1e-3 is then as likely as one of 1e-3 to 1e-2.
"""

import dataclasses
import itertools
import math
import typing
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from apps.common import cli, distributed
from apps.common.cli import UserError

# What trials share, or their scores could not be compared.
_FIXED = {
    *("name", "runs_path", "cache_path", "preset", "profile", "download"),
    *("dataset", "data_path", "encoding", "seed", "train_share"),
    *distributed.NAMES,
}

# From this factor on a range is searched by the logarithm.
_LOG = 10

# Draws of the sampler that may repeat a trial, before one is drawn at random.
_DRAWS = 10

Params = dict[str, typing.Any]


def space(config, words: Sequence[str]) -> dict[str, BaseDistribution]:
    """Return what a search chooses from, by the names of settings.

    Args:
        config: The configuration that is varied.
        words: What stands behind `--vary`.

    Raises:
        UserError: A setting there is not, or a value that it cannot have.
    """
    if not words:
        raise UserError(
            "--vary: name what to search, such as"
            " --vary units=64,128 learning_rate=1e-4..1e-2"
        )
    chosen = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.lstrip("-").replace("-", "_")
        try:
            _check_name(config, name)
            if name in chosen:
                raise UserError(f"{name} is there twice")
            if not (equals and text):
                raise UserError(
                    f"{name} has no values, as in {name}=A,B or A..B"
                )
            chosen[name] = _distribution(config, name, text)
        except UserError as error:
            raise UserError(f"--vary {word}: {error}") from None
    return chosen


def _check_name(config, name):
    names = [f.name for f in dataclasses.fields(config) if f.metadata]
    if name in _FIXED and name in names:
        raise UserError(f"{name} is the same in all trials")
    free = sorted(set(names) - _FIXED)
    if name not in free:
        meant = cli.did_you_mean(name, free, "settings")
        raise UserError(f"unknown setting {name!r}; {meant}")


def _distribution(config, name, text):
    """Return the distribution of one setting."""
    is_number = type(getattr(config, name)) in (int, float)
    is_range = ".." in text and is_number
    parts = text.split("..") if is_range else text.split(",")
    values = [cli.value(type(config), name, part.strip()) for part in parts]
    for value in values:
        varied = dataclasses.replace(config, **{name: value})
        cli.check(varied, [cli.dashed(name)])
    if not is_range:
        if len(set(values)) < len(values):
            raise UserError("a value is there twice")
        if len(values) < 2:
            raise UserError("expected two values or more, or a range A..B")
        return CategoricalDistribution(values)
    if len(values) != 2 or not values[0] < values[1]:
        raise UserError("expected a range A..B, A smaller than B")
    low, high = values
    kind = IntDistribution if type(low) is int else FloatDistribution
    return kind(low, high, log=0 < _LOG * low < high)


def text(distribution: BaseDistribution) -> str:
    """Return a distribution as `--vary` has it."""
    if isinstance(distribution, CategoricalDistribution):
        return ",".join(map(shown, distribution.choices))
    return f"{shown(distribution.low)}..{shown(distribution.high)}"


def shown(value: typing.Any) -> str:
    """Return a value as the command line has it, numbers of four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def size(space: Mapping[str, BaseDistribution]) -> float:
    """Return how many combinations there are; infinite if one is a number."""
    return math.prod(
        math.inf if isinstance(one, FloatDistribution) else len(_values(one))
        for one in space.values()
    )


def _values(distribution):
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1)
    return distribution.choices


def combinations(space: Mapping[str, BaseDistribution]) -> Iterator[Params]:
    """Yield all combinations of what has no floats."""
    for values in itertools.product(*map(_values, space.values())):
        yield dict(zip(space, values, strict=True))


def propose(
    study: optuna.Study,
    space: Mapping[str, BaseDistribution],
    trials: int,
    seed: int,
) -> Params | None:
    """Return the settings of one more trial; they are those of no other one.

    They depend on the seed and the trials so far alone: a search that is killed
    goes on as it would have. Where no more combinations than trials are
    possible each is tried once, in an order drawn from the seed.

    Args:
        study: The trials so far, those that run included.
        space: What to choose from.
        trials: How many there are to be.
        seed: Random seed.

    Returns:
        A value for each setting; `None` if nothing is left to try.
    """
    before = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state != optuna.trial.TrialState.WAITING
    ]
    tried = [trial.params for trial in before]
    if len(tried) >= trials:
        return None
    if size(space) <= trials:
        every = list(combinations(space))
        order = np.random.default_rng(seed).permutation(len(every))
        return next((every[i] for i in order if every[i] not in tried), None)
    for attempt in itertools.count():
        random = np.random.default_rng([seed, len(tried), attempt])
        kind = (
            optuna.samplers.TPESampler
            if attempt < _DRAWS
            else optuna.samplers.RandomSampler
        )
        # In a study of its own: what repeats a trial leaves no trace.
        beside = optuna.create_study(
            direction=study.direction,
            sampler=kind(seed=int(random.integers(2**32))),
        )
        beside.add_trials(before)
        drawn = beside.ask(dict(space)).params
        if drawn not in tried:
            return drawn
