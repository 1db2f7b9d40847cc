"""Going on from a run on other data: `--from-run x`.

The run gives its architecture and its weights. Words, labels and series are
matched by their names, never by their numbers: those that the run knows keep
their rows, others begin as in any training. Where none of its labels is in the
data, the head is a new one. What is taken, and what is new, is said.

A training that has begun needs the run no more: it has words and weights of
its own. With `--distribute` its workers read the run whenever they start.

Letters of shapes: V names.
"""

import collections
import contextlib
import dataclasses
import functools
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from apps.common import runs
from apps.common.cli import UserError, dashed, flag
from apps.common.terminal import echo

if typing.TYPE_CHECKING:  # TensorFlow takes seconds: flags are read before
    import keras

FROM_RUN = flag(
    "", "finished run to go on from, on other data: name or folder of it"
)
EXTEND = flag(
    True, "add the words of the data to those of --from-run", rare=True
)

# In the folder of a training: labels of the run that it went on from.
LABELS = "from_labels.txt"

# Of the run's peak learning rate: steps as large as those of a beginning
# would undo what it has learned.
RATE = 0.2


def completed(config_class: type, flags: dict, explicit: Mapping) -> dict:
    """Return flags with those that `--from-run` settles.

    Args:
        config_class: The dataclass of an app, with two tuples of names of
            fields: `architecture`, which the weights depend on, and
            `inherited`, which are those of the run where no flag says else.
        flags: All that are not the defaults.
        explicit: Those of them that are not of a preset.

    Raises:
        UserError: There is no such run, or a flag contradicts it.
    """
    app = config_class.__module__.split(".")[-2]
    name = flags["from_run"]
    run, has_begun = _find(app, name, flags.get("runs_path", "runs"))
    config, taken = run.config(config_class), {}
    for field in config_class.architecture:
        taken[field] = value = getattr(config, field)
        if explicit.get(field, value) != value:
            raise UserError(
                f"{dashed(field)} {explicit[field]}: of --from-run {name} it is"
                f" {value!r}; leave the flag out"
            )
    for field in config_class.inherited:
        taken[field] = explicit.get(field, getattr(config, field))
    rate = config.learning_rate
    if not has_begun:
        rate = float(f"{RATE * rate:.6g}")
    return {"learning_rate": rate, **flags, **taken}


def _find(app, name, runs_path):
    """Return the run, or, if there is none, the training that went on from it.

    That has all that it took, and the second value is true.
    """
    try:
        return runs.find_run(app, name, runs_path), False
    except UserError:
        for path in sorted(Path(runs_path, app).glob("*/backup/state.npz")):
            folder = path.parents[1]
            with contextlib.suppress(UserError):  # of a run that is damaged
                run = runs.Run(app, folder, runs.read_record(folder))
                if run.record["config"].get("from_run") == name:
                    return run, True
        raise


class Names(typing.NamedTuple):
    """Rows of weights that belong to names, in two orders.

    Attributes:
        what: What they are called.
        old: Names in the order of the run; none: nothing of it is taken.
        new: Names in the order of the data.
        inputs: Whether they are the inputs of a recurrent layer, which belong
            to rows of its kernel; else what a layer knows or gives.
    """

    what: str
    old: Sequence[str]
    new: Sequence[str]
    inputs: bool = False

    @property
    def pairs(self) -> np.ndarray:
        """Places of the names that both have, new and old, `(2, V)`."""
        places = {name: place for place, name in enumerate(self.old)}
        pairs = [
            (place, places[name])
            for place, name in enumerate(self.new)
            if name in places
        ]
        return np.array(pairs, np.int64).reshape(-1, 2).T

    def report(self) -> str:
        """Return what is known and what is new, in one line."""
        known = self.pairs.shape[1]
        counts = {
            "of the run": known,
            "new": len(self.new) - known,
            "of the run left out": len(self.old) - known,
        }
        line = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n)
        is_new = self.old and self.new and not known
        return f"{line}: a new head" if is_new else line


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a training takes words and weights from.

    Attributes:
        path: Folder of the run, or of this one once it has begun.
        begun: Whether it has: then its weights are those of the backup.
        extend: Whether words of the data are added.
    """

    path: Path
    begun: bool
    extend: bool

    @functools.cached_property
    def model(self) -> "keras.Model":
        """The model of the run."""
        return runs.load_model(self.path / "model.keras")

    @property
    def labels(self) -> list[str]:
        """The labels of the run; none if it has no such file."""
        return self.lines(LABELS if self.begun else "labels.txt")

    def lines(self, name: str) -> list[str]:
        """Return the lines of one of its files; none if there is no file."""
        path = self.path / name
        return runs.read_lines(path) if path.exists() else []

    def words(self, *names: str) -> Callable[..., tuple]:
        """Return what makes vocabularies of those of the new data.

        Args:
            *names: Files of the vocabularies in the run.
        """

        def adapt(*vocabularies):
            pairs = zip(names, vocabularies, strict=True)
            return tuple(self._extended(name, new) for name, new in pairs)

        return adapt

    def _extended(self, name, new):
        """Return a vocabulary of the run, with the new words behind."""
        old = type(new).load(self.path / name, new.kind)
        # Subwords spell what is new by what is known: others would cut the
        # words that the run knows in another way.
        if not self.extend or new.kind == "subwords":
            return old
        known, words = (
            tuple(getattr(x, "words", None) or x.pieces) for x in (old, new)
        )
        more = set(words) - set(known)
        return type(new)(
            (*known, *(word for word in words if word in more)), new.kind
        )

    def sized(self, config, layer: str):
        """Return the configuration with the size of the run's vectors.

        Of a run with `--vectors` its configuration does not say it.
        """
        size = self.model.get_layer(layer).output_dim
        return dataclasses.replace(config, embedding_size=size)

    def names(self, what: str, name: str, new: Sequence[str]) -> Names:
        """Return how names of the data match the lines of a file."""
        return Names(what, self.lines(name), new)


def origin(run: runs.Run, config) -> Origin | None:
    """Return where a training begins: `None` without `--from-run`."""
    if not config.from_run:
        return None
    extend = getattr(config, "extend_vocabulary", False)
    if run.begun:
        return Origin(run.path, True, extend)
    source = runs.open_run(run.app, config.from_run, config.runs_path)
    echo(f"from     {source.path}, peak learning rate {config.learning_rate:g}")
    start = Origin(source.path, False, extend)
    runs.keep_lines(run, LABELS, start.lines("labels.txt"))
    return start


def transfer(
    origin: Origin | None, model: "keras.Model", names: Mapping[str, Names]
) -> None:
    """Give a new model the weights of a run, and say what is new in it.

    Args:
        origin: The run; `None`, and one that has begun, change nothing.
        model: Of the same architecture.
        names: Layer -> the names that its rows belong to. A layer within a
            model or a stack has its path: `encoder/source_tokens`.

    Raises:
        UserError: The weights have other shapes.
    """
    if origin is None or origin.begun:
        return
    old, new = (dict(_layers(m)) for m in (origin.model, model))
    both = [path for path in new if path in old]
    for path in both:
        _assign(origin, path, old[path], new[path], names.get(path))
    echo(f"layers   {len(both)} of the run")
    for own in {id(n): n for n in names.values() if not n.inputs}.values():
        if own.old or own.new:
            echo(f"{own.what:8} {own.report()}")
    for what, paths in (
        ("new", [path for path in new if path not in old]),
        ("left out", [path for path in old if path not in new]),
    ):
        if paths:
            echo(f"{what:8} {', '.join(paths)}")


def _layers(parent, prefix="") -> Iterator[tuple]:
    """Yield the layers with weights, also those within, under their paths.

    Those that Keras has named have numbers from 0 on: `dense`, `dense_1`.
    """
    automatic = collections.defaultdict(list)
    for layer in parent.layers:
        kind = _snake_case(type(layer).__name__)
        if match := re.fullmatch(rf"{kind}(?:_(\d+))?", layer.name):
            automatic[kind].append((int(match[1] or 0), layer))
    numbers = {
        layer: f"{kind}_{number}" if number else kind
        for kind, layers in automatic.items()
        for number, (_, layer) in enumerate(sorted(layers, key=lambda x: x[0]))
    }
    for layer in parent.layers:
        path = prefix + numbers.get(layer, layer.name)
        if hasattr(layer, "layers"):
            yield from _layers(layer, f"{path}/")
        elif layer.weights:
            yield path, layer


def _snake_case(name):
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _assign(origin, path, old, new, names):
    """Give a layer the weights of another one."""
    if len(old.weights) != len(new.weights):
        raise UserError(
            f"{origin.path}: its layer {path} has {len(old.weights)} weights,"
            f" and today it has {len(new.weights)}; train that run again"
        )
    for ours, value, target in zip(
        new.weights, old.get_weights(), new.get_weights(), strict=True
    ):
        if names is not None:
            value = _by_name(new, ours.name, value, target, names)
        if value.shape != target.shape:
            raise UserError(
                f"{origin.path}: its layer {path} has weights of the shape"
                f" {value.shape}, and for these data they are {target.shape};"
                " expected data of the kind that it was trained on"
            )
        ours.assign(value)


def _by_name(layer, weight, value, target, names):
    """Return new weights with the old ones where a name is known."""
    if not names.old:
        return target
    axes = _axes(layer, weight, value, names)
    if not axes:
        return value
    grids = []
    for axis, (size, wanted) in enumerate(
        zip(value.shape, target.shape, strict=True)
    ):
        new = old = np.arange(size)
        if axis in axes:
            # A name may have several columns, one beside the other.
            width, rest = divmod(size, len(names.old))
            if rest or width * len(names.new) != wanted:
                return value  # refused, for its shape
            new, old = (
                (places[:, None] * width + np.arange(width)).ravel()
                for places in names.pairs
            )
        elif size != wanted:
            return value
        grids.append((new, old))
    result = target.copy()
    new, old = zip(*grids, strict=True)
    result[np.ix_(*new)] = value[np.ix_(*old)]
    return result


def _axes(layer, weight, value, names):
    """Return which axes of a weight belong to names."""
    kind = type(layer).__name__
    if names.inputs:
        return [0] if weight == "kernel" else []
    if kind == "CRF":
        return list(range(value.ndim))
    if "Embedding" in kind and value.shape[0] == len(names.old):
        return [0]
    return [value.ndim - 1]
