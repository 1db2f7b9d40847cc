"""To find faults: train on a part of the data, or on one batch by heart.

A network that works learns one batch in some hundred steps: its loss comes near
zero. If it does not, there is a fault in data, loss or model.
"""

import typing

from apps.common import cli

if typing.TYPE_CHECKING:  # TensorFlow takes seconds: flags are read before
    import tensorflow as tf

TRAIN_SHARE = cli.flag(
    1.0,
    "share of the training batches, to find faults (0: one batch)",
    at_least=0.0,
    at_most=1.0,
    rare=True,
)
PROFILE = cli.flag(
    False, "profile ten training steps, for TensorBoard", rare=True
)

# Presets; an app adds what of its own keeps a network from learning by heart.
OVERFIT = {"train_share": 0.0, "epochs": 15, "patience": 15}
LIMIT = {"train_share": 0.01, "epochs": 2}

# Steps of an epoch on a part of the data: that epochs are worth their scores.
_FEWEST_STEPS = 20

# A loss on one batch that counts as zero.
_NEAR_ZERO = 0.1


def steps(train_share: float, split, steps_per_epoch: int = 0) -> int:
    """Return the steps of an epoch.

    Args:
        train_share: The flag.
        split: Of the training data.
        steps_per_epoch: The flag, where there is one; 0 is a pass.
    """
    if steps_per_epoch:
        return steps_per_epoch
    part = _batches(train_share, split)
    return part if train_share == 1 else max(part, _FEWEST_STEPS)


def dataset(
    train_share: float, split, start_step: int, shard: tuple[int, int] = (0, 1)
) -> "tf.data.Dataset":
    """Return the training batches from a step on, endless.

    A part of them is the first ones of the first pass, again and again.
    """
    if train_share == 1:
        return split.dataset(True, start_step, shard)
    count = _batches(train_share, split)
    part = split.dataset(True, 0, shard).take(count).repeat()
    return part.skip(start_step % count)


def _batches(train_share, split):
    return max(1, round(train_share * split.steps_per_pass))


def remark(loss: float) -> str:
    """Return what a loss on one batch says."""
    if loss < _NEAR_ZERO:
        return f"one batch: loss {loss:.4f}, near zero, as it should be"
    return (
        f"one batch: loss {loss:.4f}; it should come near zero: look for a"
        " fault in data, loss or model, or try more --epochs"
    )
