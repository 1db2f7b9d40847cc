"""What a training came to: `metrics.json`, the only source of a number."""

import contextlib
import dataclasses
import json
import math
import typing
from pathlib import Path

from apps.common import digests, provenance
from apps.common.cli import UserError
from apps.common.progress import Progress

if typing.TYPE_CHECKING:  # TensorFlow takes seconds: flags are read before
    import keras

    from apps.common.runs import Run

# What readers of `metrics.json` rely on.
_METRICS = {
    **dict.fromkeys(("app", "run", "dataset"), str),
    **dict.fromkeys(("metrics", "baselines", "examples"), dict),
    **dict.fromkeys(("parameters", "train_seconds"), (int, float)),
}


@dataclasses.dataclass(frozen=True)
class Result:
    """What a training came to.

    Attributes:
        model: The Keras model that was tested.
        scores: Dict of test scores.
        baselines: Dict name -> dict of the same scores.
        progress: The `Progress`.
        examples: Dict split -> number of examples.
        predictions: What the app's report shows of the test set.
        signatures: Exactly how scores were computed.
    """

    model: "keras.Model"
    scores: dict
    baselines: dict
    progress: Progress
    examples: dict
    predictions: typing.Any = None
    signatures: dict = dataclasses.field(default_factory=dict)


def has(record: typing.Any, kinds: dict) -> bool:
    """Return whether a record holds these names, each of its kind."""
    return isinstance(record, dict) and all(
        isinstance(record.get(name), kind) for name, kind in kinds.items()
    )


def read_metrics(folder: str | Path) -> dict:
    """Read what `finish` wrote.

    Raises:
        FileNotFoundError: It is missing.
        UserError: It is something else.
    """
    path, record = Path(folder, "metrics.json"), None
    with contextlib.suppress(ValueError, RecursionError):
        record = json.loads(path.read_bytes())
    digests.check(path.parent, path.name)
    if not has(record, _METRICS) or not all(
        map(_are_scores, [record["metrics"], *record["baselines"].values()])
    ):
        raise UserError(
            f"{path} is damaged; delete it and repeat the command of the run,"
            " which tests it again"
        )
    return record


def _are_scores(scores):
    return (
        isinstance(scores, dict)
        and scores
        and all(v is None or type(v) in (int, float) for v in scores.values())
    )


def measured(run: "Run", result: Result) -> dict:
    """Return what `metrics.json` says of a run, the report and the card."""
    config = run.record["config"]
    return {
        "app": run.app,
        "run": run.name,
        "dataset": config["dataset"],
        "command": run.record["command"],
        "metrics": result.scores,
        "baselines": result.baselines,
        "signatures": result.signatures,
        "parameters": result.model.count_params(),
        "trainable_parameters": sum(
            math.prod(weight.shape) for weight in result.model.trainable_weights
        ),
        "epochs": result.progress.epoch,
        "best_epoch": result.progress.best_epoch,
        "train_seconds": round(result.progress.seconds, 1),
        "finished": provenance.now(),
        "examples": result.examples,
        "seed": config["seed"],
        "versions": run.record.get("versions"),
        "device": run.machines.engine or provenance.device(),
        "commit": run.record.get("commit"),
    }


def finish(run: "Run", result: Result) -> dict:
    """Write `metrics.json`, the only source of a published number.

    Before it, the model card that says the same. Return the record written.
    """
    from apps.common import card, tensorboard  # flags know nothing of them

    record = measured(run, result)
    tensorboard.write_hparams(
        run,
        run.record["config"],
        result.scores,
        result.progress.best_epoch,
    )
    card.write(run.path, run.record["config"], record)
    digests.write_json(run.file("metrics.json"), record)
    return record
