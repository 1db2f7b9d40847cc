"""Several finished runs as one: `--run a,b,c` of `evaluate` and `predict`.

    (1)  log p(y) = 1/M sum_m log p_m(y) - log Z

The mean of the members' log-probabilities, normalised, for labels and for each
token of one decoding loop. Where a network gives scores, such as those of a
conditional random field, their mean is taken, and of attention weights, too.

Letters of shapes: M members, B batch, N rows of a step, V vocabulary.
"""

import contextlib
import json
import typing
from collections.abc import Callable, Sequence

import keras
from keras import ops

from apps.common.cli import UserError, dashed
from apps.common.runs import Run, read_lines
from apps.common.terminal import echo
from data_pipelines.files.atomic import replacing

NAME, FILE = "ensemble", "ensemble.json"

Scored = typing.TypeVar("Scored")


def mean(tensors: Sequence):
    """Return the arithmetic mean of the members' outputs."""
    return sum(ops.cast(x, "float32") for x in tensors) / len(tensors)


def logits(tensors: Sequence):
    """Return the members' mean log-probabilities, of their logits."""
    return mean([ops.log_softmax(ops.cast(x, "float32")) for x in tensors])


def probabilities(tensors: Sequence):
    """Return equation (1) as probabilities, of those of the members."""
    logs = [ops.log(ops.cast(x, "float32") + 1e-30) for x in tensors]
    return ops.softmax(mean(logs))


def joined(models: Sequence[keras.Model], *means: Callable) -> keras.Model:
    """Return members as one model of the same inputs.

    Args:
        models: With the same inputs and outputs.
        *means: A function of this module for each output.
    """
    name = models[0].name
    inputs = keras.tree.map_structure(
        lambda x: keras.Input(x.shape[1:], dtype=x.dtype, name=x.name),
        models[0].input,
    )
    outputs = []
    for number, model in enumerate(models):
        model.name = f"member_{number}"  # they may have been the same
        outputs.append(keras.tree.flatten(model(inputs)))
    outputs = [
        function(of_members)
        for function, of_members in zip(
            means, zip(*outputs, strict=True), strict=True
        )
    ]
    outputs = outputs[0] if len(outputs) == 1 else outputs
    return keras.Model(inputs, outputs, name=name)


class Decoders:
    """Incremental decoders as one, for one decoding loop.

    Args:
        members: With `encode`, `initial_state`, `step`, `attention` and
            `has_attention`, as the apps have them.
    """

    def __init__(self, members: Sequence):
        self.members = members
        self.attending = [m.has_attention for m in members]
        self.has_attention = any(self.attending)

    def encode(self, inputs):
        """Return what the steps need, of each member."""
        return [member.encode(inputs) for member in self.members]

    def initial_state(self, memory):
        """Return the states before the first step, and mean weights."""
        states = [
            member.initial_state(own)
            for member, own in zip(self.members, memory, strict=True)
        ]
        return self._state(states)

    def step(self, tokens, state, memory):
        """Take tokens `(N,)` to log-probabilities `(N, V)`."""
        results = [
            member.step(tokens, *own)
            for member, *own in zip(
                self.members, state["members"], memory, strict=True
            )
        ]
        outputs, states = zip(*results, strict=True)
        return logits(outputs), self._state(states)

    def _state(self, states):
        weights = self._attending([state["weights"] for state in states])
        return {"members": list(states), "weights": mean(weights)}

    def attention(self, *inputs):
        """Return the mean attention weights of those that attend."""
        members = self._attending(self.members)
        return mean([member.attention(*inputs) for member in members])

    def _attending(self, parts):
        """Return the parts of members that attend, or all if none does."""
        if not self.has_attention:
            return parts
        pairs = zip(parts, self.attending, strict=True)
        return [part for part, attends in pairs if attends]


def check(
    opened: Sequence[Run],
    config_class: type,
    files: Sequence[str],
    fields: Sequence[str] = (),
) -> None:
    """Refuse runs that do not fit together.

    Args:
        opened: The runs.
        config_class: Of their configurations.
        files: Those of a run that must hold the same lines.
        fields: Settings that must be the same.

    Raises:
        UserError: One differs from the first, and in what.
    """
    first, *others = opened
    for run in others:
        for name in files:
            if _lines(run, name) != _lines(first, name):
                raise misfit(run, first, f"its {name} differs")
        configs = first.config(config_class), run.config(config_class)
        for name in fields:
            one, other = (getattr(config, name) for config in configs)
            if one != other:
                flag = dashed(name)
                why = f"{flag} is {other!r} there, not {one!r}"
                raise misfit(run, first, why)


def _lines(run, name):
    path = run.file(name)
    return read_lines(path) if path.exists() else None


def misfit(run: Run, first: Run, why: str) -> UserError:
    """Return the error of a run that is no member beside the first one."""
    return UserError(
        f"{run.path} does not fit together with {first.path}: {why}"
    )


def score(
    opened: Sequence[Run],
    of_run: Callable[[Run], Scored],
    whole: Scored,
    scores: Callable[[Scored], tuple[dict, typing.Any]],
    split: str,
    dataset: tuple[str, str | None],
) -> tuple[dict[str, dict], typing.Any]:
    """Score several runs, and all as one, and keep these scores.

    Args:
        opened: The runs.
        of_run: Returns what is scored of one: its predictor, or where each
            reads the data in its own way, what it has predicted.
        whole: The same of all of them as one; of a single run, of that.
        scores: Return the scores of one, and what else a page shows of it.
        split: Name of what they are of.
        dataset: The data set and its path.

    Returns:
        Dict of a name -> scores, and what else is shown of all as one.
    """
    rows = {}
    if len(opened) > 1:
        for run in opened:
            rows[f"{run.path} ({split})"], _ = scores(of_run(run))
    name = NAME if len(opened) > 1 else opened[0].name
    rows[f"{name} ({split})"], shown = scores(whole)
    keep_scores(opened, rows, split, dataset)
    return rows, shown


def keep_scores(
    opened: Sequence[Run],
    scores: dict[str, dict],
    split: str,
    dataset: tuple[str, str | None],
) -> None:
    """Write the scores of an ensemble into the folder of its first run.

    They are no scores of that run: its `metrics.json` stays as it is.

    Args:
        opened: The runs; of a single one nothing is written.
        scores: Name -> scores, as `score` names them.
        split: What they are of.
        dataset: The data set and its path.
    """
    if len(opened) == 1:
        return
    path = opened[0].file(FILE)
    about = {
        "runs": [str(run.path) for run in opened],
        "dataset": dataset[0],
        "data_path": str(dataset[1] or ""),
        "split": split,
    }
    records = []
    with contextlib.suppress(OSError, ValueError, RecursionError):
        records = json.loads(path.read_bytes())
    # What was scored again, and what is no record, is replaced.
    records = [
        record
        for record in (records if isinstance(records, list) else ())
        if isinstance(record, dict) and not about.items() <= record.items()
    ]
    records.append({**about, "scores": scores})
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(records, indent=2) + "\n", "utf-8")
    echo(f"wrote {path}")


def title(opened: Sequence[Run]) -> str:
    """Return the names of runs in one line."""
    return ", ".join(run.name for run in opened)
